package drive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// players yields events of n players in turn, numbered.
func players(n int) func(time.Time) (event.Event, bool) {
	made := 0
	return func(due time.Time) (event.Event, bool) {
		made++
		return event.Event{PlayerID: fmt.Sprint("p", made%n), EventType: fmt.Sprint("e", made), Timestamp: due}, true
	}
}

func answerIn(d time.Duration) Send {
	return func(ctx context.Context, events []event.Event) ([]string, error) {
		select {
		case <-time.After(d):
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func TestItKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tally Tally
		Run(t.Context(), Options{Next: players(100), Send: answerIn(2 * time.Millisecond), Rate: 1000, Duration: 10 * time.Second, Connections: 16}, &tally)
		r := tally.Report(1000)
		if r.Stored != 10_000 || r.Unsent != 0 || r.AchievedRate < 990 || r.AchievedRate > 1010 {
			t.Errorf("%+v", r)
		}
		// One connection in sixteen may get two requests at once, seldom more.
		if r.LatencyMs.P50 < 2 || r.LatencyMs.P50 > 3 {
			t.Errorf("latency %+v of a service that takes 2 ms", r.LatencyMs)
		}
	})
}

// A service that stalls for a second delays all that was due in that second,
// whatever the number of connections: p90 of ten seconds must show it.
func TestAStallIsSeenByAllThatHadToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		stalls := func(ctx context.Context, events []event.Event) ([]string, error) {
			if at := time.Since(began); at > 5*time.Second && at < 7*time.Second {
				time.Sleep(7*time.Second - at)
			}
			return answerIn(time.Millisecond)(ctx, events)
		}
		var tally Tally
		Run(t.Context(), Options{Next: players(100), Send: stalls, Rate: 100, Duration: 10 * time.Second, Connections: 2}, &tally)
		r := tally.Report(100)
		if r.Stored != 1000 || r.LatencyMs.Max < 1950 || r.LatencyMs.P90 < 900 || r.LatencyMs.P50 > 10 {
			t.Errorf("%+v", r)
		}
	})
}

func TestATooSlowServiceShowsInTheReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tally Tally
		Run(t.Context(), Options{Next: players(100), Send: answerIn(100 * time.Millisecond), Rate: 1000, Duration: 10 * time.Second, Connections: 4}, &tally)
		r := tally.Report(1000)
		if r.AchievedRate > 45 || r.Unsent == 0 || r.Sent+r.Unsent != 10_000 {
			t.Errorf("%+v", r)
		}
	})
}

func TestEventsOfAPlayerKeepTheirOrder(t *testing.T) {
	for _, batch := range []int{1, 7} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			got := map[string][]time.Time{}
			uneven := 0
			record := func(_ context.Context, events []event.Event) ([]string, error) {
				mu.Lock()
				uneven++
				d := time.Duration(uneven%9) * time.Millisecond
				mu.Unlock()
				time.Sleep(d)
				mu.Lock()
				defer mu.Unlock()
				for _, e := range events {
					got[e.PlayerID] = append(got[e.PlayerID], e.Timestamp)
				}
				return nil, nil
			}
			var tally Tally
			Run(t.Context(), Options{Next: players(20), Send: record, Rate: 2000, Count: 5000, Connections: 8, Batch: batch}, &tally)
			total := 0
			for player, times := range got {
				total += len(times)
				if !slices.IsSortedFunc(times, time.Time.Compare) {
					t.Errorf("events of %s arrive out of order", player)
				}
			}
			if r := tally.Report(2000); total != 5000 || r.Stored != 5000 {
				t.Errorf("%d arrived, %+v", total, r)
			}
		})
	}
}

func TestWarmupIsSentButNotMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		cold := func(ctx context.Context, events []event.Event) ([]string, error) {
			if time.Since(began) < 900*time.Millisecond {
				return answerIn(50*time.Millisecond)(ctx, events)
			}
			return answerIn(time.Millisecond)(ctx, events)
		}
		var tally Tally
		Run(t.Context(), Options{Next: players(10), Send: cold, Rate: 100, Duration: 3 * time.Second, Warmup: time.Second, Connections: 10}, &tally)
		r := tally.Report(100)
		if r.Stored != 300 || r.LatencyMs.Max > 10 || r.AchievedRate < 99 || r.AchievedRate > 101 {
			t.Errorf("%+v", r)
		}
	})
}

func TestFailuresAreCountedByReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		fails := func(_ context.Context, events []event.Event) ([]string, error) {
			switch n++; {
			case n%4 == 0:
				return nil, errors.New("503 Service Unavailable")
			case n%4 == 1:
				return []string{"timestamp is too old"}, nil
			}
			return nil, nil
		}
		var tally Tally
		Run(t.Context(), Options{Next: players(10), Send: fails, Rate: 100, Count: 400, Connections: 1, Batch: 4}, &tally)
		r := tally.Report(100)
		if r.Requests != 100 || r.Failed != 100 || r.Rejected != 25 || r.Stored != 275 ||
			r.Reasons["503 Service Unavailable"] != 100 || r.Reasons["timestamp is too old"] != 25 {
			t.Errorf("%+v", r)
		}
	})
}

func TestABatchDoesNotWaitForeverToFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		var mu sync.Mutex
		record := func(_ context.Context, events []event.Event) ([]string, error) {
			mu.Lock()
			defer mu.Unlock()
			sizes = append(sizes, len(events))
			return nil, nil
		}
		var tally Tally
		Run(t.Context(), Options{Next: players(1), Send: record, Rate: 10, Duration: 10 * time.Second, Connections: 1, Batch: 1000}, &tally)
		if r := tally.Report(10); r.Stored != 100 || len(sizes) < 10 {
			t.Errorf("%d requests, %+v", len(sizes), r)
		}
	})
}

func TestCancellingFinishesWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		var tally Tally
		Run(ctx, Options{Next: players(10), Send: answerIn(20 * time.Millisecond), Rate: 50, Connections: 10, Grace: time.Second}, &tally)
		r := tally.Report(50)
		if r.Failed != 0 || r.Stored != r.Sent || r.Stored < 80 || r.Sent+r.Unsent > 101 {
			t.Errorf("%+v", r)
		}
	})
}

func TestCancellingDoesNotWaitForADeadService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		began := time.Now()
		var tally Tally
		Run(ctx, Options{Next: players(10), Send: answerIn(time.Hour), Rate: 50, Connections: 3, Grace: time.Second}, &tally)
		if took := time.Since(began); took > 3100*time.Millisecond {
			t.Errorf("it ended after %v", took)
		}
		if r := tally.Report(50); r.Stored != 0 || r.Sent+r.Unsent < 100 {
			t.Errorf("%+v", r)
		}
	})
}

func TestWithoutARateItGoesAsFastAsTheAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tally Tally
		Run(t.Context(), Options{Next: players(1000), Send: answerIn(10 * time.Millisecond), Duration: 5 * time.Second, Connections: 10}, &tally)
		r := tally.Report(0)
		if r.AchievedRate < 800 || r.AchievedRate > 1001 || r.LatencyMs.Max > 11 {
			t.Errorf("%+v", r)
		}
	})
}

func TestALookTellsWhatHappenedSinceTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tally Tally
		done := make(chan struct{})
		go func() {
			defer close(done)
			Run(t.Context(), Options{Next: players(10), Send: answerIn(time.Millisecond), Rate: 100, Duration: 4 * time.Second, Connections: 10}, &tally)
		}()
		for range 3 {
			time.Sleep(time.Second)
			if r := tally.Look(); r.Rate < 95 || r.Rate > 105 || r.LatencyMs.P50 == 0 {
				t.Errorf("%+v", r)
			}
		}
		<-done
	})
}

func TestItEndsWithTheEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next, left := players(3), 50
		var tally Tally
		Run(t.Context(), Options{
			Next: func(due time.Time) (event.Event, bool) {
				left--
				e, _ := next(due)
				return e, left >= 0
			},
			Send: answerIn(time.Millisecond), Rate: 100, Duration: time.Hour, Connections: 2,
		}, &tally)
		if r := tally.Report(100); r.Stored != 50 || r.Unsent != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// A service that stores nothing any more does not hold the run for the minutes
// that all retries of all events would take; one that is only slow gets its time.
func TestItGivesUpWithoutProgressOnceItIsOver(t *testing.T) {
	for name, test := range map[string]struct {
		takes          time.Duration
		stored, unsent int64
		within         time.Duration
	}{
		"nothing is stored": {time.Hour, 0, 20 - 2, 2*time.Second + 31*time.Second},
		"slowly":            {10 * time.Second, 20, 0, 2*time.Second + 20*10*time.Second}, // at worst one connection has all the players
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var tally Tally
				Run(t.Context(), Options{
					Next: players(10), Send: answerIn(test.takes), Rate: 10, Duration: 2 * time.Second, Connections: 2, Patience: 15 * time.Second,
				}, &tally)
				r := tally.Report(10)
				if r.Stored != test.stored || r.Unsent != test.unsent || r.Stored+r.Failed+r.Unsent != 20 {
					t.Errorf("%+v", r)
				}
				if took := time.Since(began); took > test.within {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}
