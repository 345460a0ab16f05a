package local

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

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
		expect := func(state engine.State, what string) {
			t.Helper()
			time.Sleep(time.Second)
			status := r.settled()
			if p := status.Problem.Error(); status.State != state || (p == nil) != (what == "") || p != nil && p.What != what {
				t.Errorf("it is %s, %v; want %s, %q", status.State, p, state, what)
			}
		}
		expect(engine.StateReady, "")
		trouble.Store(&problem.Error{What: "the disk is full"})
		expect(engine.StateDegraded, "the disk is full")
		trouble.Store(nil)
		expect(engine.StateReady, "")
	})
}
