package local

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/services/relay"
)

// A relay that works, and whose events a forgotten transaction holds back, says so.
func TestARelayWhoseEventsAreHeldBackIsDegraded(t *testing.T) {
	var held atomic.Pointer[problem.Error]
	attempt := func(_ int, ctx context.Context, say announcer) error {
		done := make(chan error, 1)
		context.AfterFunc(ctx, func() { done <- nil })
		return follow(func() relay.Status { return relay.Status{State: relay.Running, Held: held.Load()} }, done, say)
	}
	runScripted(t, attempt, func(t *testing.T, r *runner, _ *scripted) {
		expectState(t, r, engine.StateReady, "")
		held.Store(&problem.Error{What: "a transaction is open"})
		expectState(t, r, engine.StateDegraded, "a transaction is open")
		held.Store(nil)
		expectState(t, r, engine.StateReady, "")
	})
}
