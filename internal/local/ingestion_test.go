package local

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Ingestion that answers every event with 503 is not healthy, whatever PostgreSQL
// says of itself.
func TestIngestionThatCannotStoreIsDegraded(t *testing.T) {
	var trouble atomic.Pointer[problem.Error]
	attempt := func(_ int, ctx context.Context, say announcer) error {
		say.ready(facts{})
		tellTrouble(ctx, func() error {
			if p := trouble.Load(); p != nil {
				return errors.Join(errors.New("the event store is not available"), p)
			}
			return nil
		}, say)
		return nil
	}
	runScripted(t, attempt, func(t *testing.T, r *runner, _ *scripted) {
		expectState(t, r, engine.StateReady, "")
		trouble.Store(&problem.Error{What: "the disk is full"})
		expectState(t, r, engine.StateDegraded, "the disk is full")
		trouble.Store(nil)
		expectState(t, r, engine.StateReady, "")
	})
}
