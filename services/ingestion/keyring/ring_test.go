package keyring_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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

// table is a Source that takes its time, and has read what was there at first.
type table struct {
	takes time.Duration
	asked atomic.Int32

	mu  sync.Mutex
	all []apikey.Key
}

func (s *table) Keys(context.Context) ([]apikey.Key, error) {
	s.asked.Add(1)
	s.mu.Lock()
	all := slices.Clone(s.all)
	s.mu.Unlock()
	time.Sleep(s.takes)
	return all, nil
}

func (s *table) Used(context.Context, []string, time.Time) error { return nil }

func (s *table) add() apikey.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	secret := apikey.New()
	s.all = append(s.all, apikey.Key{Hash: secret.Hash()})
	return secret
}

// A key is known from when it is made on, whatever was read just before, or is being read.
func TestLookupOfAKeyMadeJustNow(t *testing.T) {
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 99 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, time.Second} {
		t.Run(after.String(), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { lookupAfter(t, after) }) })
	}
}

// lookupAfter looks a key up that is made so long after a reading of 100 ms began.
func lookupAfter(t *testing.T, after time.Duration) {
	source := &table{takes: 100 * time.Millisecond}
	ring := keyring.New(source, time.Now, slog.New(slog.DiscardHandler))
	var other sync.WaitGroup
	other.Go(func() { _, _ = ring.Lookup(t.Context(), apikey.New()) })
	synctest.Wait()
	time.Sleep(after)
	fresh, start := source.add(), time.Now()
	if _, err := ring.Lookup(t.Context(), fresh); err != nil || time.Since(start) > 400*time.Millisecond {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	other.Wait()
}

// Who makes up keys has them read four times a second at most, and is told soon.
func TestLookupOfManyUnknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &table{takes: 10 * time.Millisecond}
		ring := keyring.New(source, time.Now, slog.New(slog.DiscardHandler))
		start := time.Now()
		var clients sync.WaitGroup
		for i := range 20 {
			clients.Go(func() {
				for time.Since(start) < 10*time.Second {
					asked := time.Now()
					_, err := ring.Lookup(t.Context(), apikey.New())
					if _, refused := errors.AsType[keyring.Refusal](err); !refused || time.Since(asked) > 300*time.Millisecond {
						t.Errorf("after %s: %v", time.Since(asked), err)
					}
					time.Sleep(time.Duration(1+i) * time.Millisecond)
				}
			})
		}
		clients.Wait()
		if asked := source.asked.Load(); asked > 42 {
			t.Errorf("in ten seconds the keys were read %d times", asked)
		}
	})
}
