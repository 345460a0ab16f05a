package keyring_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/services/ingestion/keyring"
)

// silent is a Source that takes the question and does not answer.
type silent struct {
	asked atomic.Int32
}

func (s *silent) Keys(ctx context.Context) ([]apikey.Key, error) {
	s.asked.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *silent) Used(context.Context, []string, time.Time) error { return nil }

// While the source does not answer, all who bring a key that is not known wait for one
// question to it, and none longer than that takes.
func TestLookupOfASilentSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &silent{}
		ring := keyring.New(source, time.Now, slog.New(slog.DiscardHandler))
		start := time.Now()
		var requests sync.WaitGroup
		for range 20 {
			requests.Go(func() {
				_, err := ring.Lookup(t.Context(), apikey.New())
				if _, refused := errors.AsType[keyring.Refusal](err); err == nil || refused {
					t.Errorf("a key that may be valid: %v", err)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("a request waited %s", took)
				}
			})
		}
		requests.Wait()
		if _, err := ring.Lookup(t.Context(), apikey.New()); err == nil || time.Since(start) > 2*time.Second {
			t.Errorf("just after that, a request waits until %s: %v", time.Since(start), err)
		}
		if source.asked.Load() != 1 {
			t.Errorf("the source was asked %d times", source.asked.Load())
		}
		time.Sleep(time.Second)
		if _, err := ring.Lookup(t.Context(), apikey.New()); err == nil || source.asked.Load() != 2 {
			t.Errorf("later it is asked %d times: %v", source.asked.Load(), err)
		}
	})
}

// Who gives up does not wait for the source.
func TestLookupEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := keyring.New(&silent{}, time.Now, slog.New(slog.DiscardHandler))
		running, stop := context.WithCancel(t.Context())
		var keeper sync.WaitGroup
		keeper.Go(func() { ring.Run(running) })
		synctest.Wait()
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := ring.Lookup(impatient, apikey.New()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 100*time.Millisecond {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		stop()
		keeper.Wait()
	})
}
