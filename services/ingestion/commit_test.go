package ingestion_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

func record(player string) ingestion.Record {
	return ingestion.Record{Received: event.Received{
		Event: event.Event{EventID: uuid.New(), PlayerID: player, EventType: "login", Timestamp: now}, ReceivedAt: now,
	}}
}

// Whatever the requests, the groups and the store's failures: an answered
// record was in exactly one successful write before the answer, a refused one
// in none; only what is poisoned is refused; and an error is an unavailability.
func TestCommitterKeepsItsPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := &memory{}
		flaky := &flakyWriter{Writer: store, failures: rapid.SliceOfN(rapid.Bool(), 0, 8).Draw(t, "writes that fail")}
		committer := ingestion.NewCommitter(flaky, ingestion.CommitOptions{
			Writers:  rapid.IntRange(1, 3).Draw(t, "writers"),
			MaxGroup: rapid.IntRange(1, 20).Draw(t, "largest group"),
		})
		requests := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", poison}), 1, 6), 1, 30).Draw(t, "requests")
		var callers sync.WaitGroup
		faults := make(chan string, 1000)
		for _, players := range requests {
			records := make([]ingestion.Record, len(players))
			for i, player := range players {
				records[i] = record(player)
			}
			callers.Go(func() {
				results, err := committer.Insert(context.Background(), records)
				if err != nil {
					if !errors.Is(err, ingestion.ErrUnavailable) {
						faults <- fmt.Sprintf("the error is %v", err)
					}
					return
				}
				for i, result := range results {
					writes := store.writesWith(records[i].EventID)
					poisoned := records[i].PlayerID == poison
					if poisoned && (!errors.Is(result.Err, ingestion.ErrUnstorable) || writes != 0) {
						faults <- fmt.Sprintf("a poisoned record: %v, in %d writes", result.Err, writes)
					}
					if !poisoned && (result.Err != nil || result.Outcome != ingestion.Stored || writes != 1) {
						faults <- fmt.Sprintf("a good record: %+v, in %d writes", result, writes)
					}
				}
			})
		}
		callers.Wait()
		committer.Close(context.Background())
		close(faults)
		for fault := range faults {
			t.Error(fault)
		}
	})
}

// flakyWriter fails some of its first writes.
type flakyWriter struct {
	ingestion.Writer
	mu       sync.Mutex
	failures []bool
}

func (w *flakyWriter) Write(ctx context.Context, records []ingestion.Record) ([]ingestion.Outcome, error) {
	w.mu.Lock()
	fail := len(w.failures) > 0 && w.failures[0]
	w.failures = w.failures[min(1, len(w.failures)):]
	w.mu.Unlock()
	if fail {
		return nil, errors.New("connection reset by peer")
	}
	return w.Writer.Write(ctx, records)
}

func (m *memory) writesWith(id uuid.UUID) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	count := 0
	for _, records := range m.writes {
		for _, r := range records {
			if r.EventID == id {
				count++
			}
		}
	}
	return count
}

// Requests that come while the writer is busy share the next write.
func TestCommitterGroups(t *testing.T) {
	store := &memory{delay: 30 * time.Millisecond}
	committer := ingestion.NewCommitter(store, ingestion.CommitOptions{Writers: 1})
	defer committer.Close(t.Context())
	var callers sync.WaitGroup
	for range 100 {
		callers.Go(func() {
			if _, err := committer.Insert(t.Context(), []ingestion.Record{record("p")}); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if len(store.writes) > 10 {
		t.Errorf("100 requests at once took %d writes", len(store.writes))
	}
}

// A small request does not wait for a large write that hangs: another writer
// takes it.
func TestCommitterWritesBesideAWriteThatHangs(t *testing.T) {
	hanging := &hangingWriter{Writer: &memory{}, hung: make(chan struct{}), release: make(chan struct{})}
	committer := ingestion.NewCommitter(hanging, ingestion.CommitOptions{Writers: 2})
	large := make([]ingestion.Record, 100)
	for i := range large {
		large[i] = record("p")
	}
	var callers sync.WaitGroup
	callers.Go(func() {
		if _, err := committer.Insert(t.Context(), large); err != nil {
			t.Error(err)
		}
	})
	<-hanging.hung
	results, err := committer.Insert(t.Context(), []ingestion.Record{record("q")})
	if err != nil || results[0].Outcome != ingestion.Stored {
		t.Errorf("the small request: %v, %v", results, err)
	}
	close(hanging.release)
	callers.Wait()
	committer.Close(t.Context())
}

// hangingWriter holds the first write until it is released.
type hangingWriter struct {
	ingestion.Writer
	later         atomic.Bool
	hung, release chan struct{}
}

func (w *hangingWriter) Write(ctx context.Context, records []ingestion.Record) ([]ingestion.Outcome, error) {
	if w.later.CompareAndSwap(false, true) {
		close(w.hung)
		<-w.release
	}
	return w.Writer.Write(ctx, records)
}

// One poisoned record in a large group costs a few more writes and no neighbour.
func TestCommitterIsolatesPoison(t *testing.T) {
	store := &memory{}
	committer := ingestion.NewCommitter(store, ingestion.CommitOptions{})
	defer committer.Close(t.Context())
	records := make([]ingestion.Record, 1000)
	for i := range records {
		records[i] = record("p")
	}
	records[617].PlayerID = poison
	results, err := committer.Insert(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		if (result.Err != nil) != (i == 617) {
			t.Errorf("record %d: %v", i, result.Err)
		}
	}
	if store.tries > 25 {
		t.Errorf("it took %d writes to isolate one record of 1000", store.tries)
	}
}

// A caller that gives up leaves the queue; those beside it are not touched.
func TestCommitterForgetsWhoGaveUp(t *testing.T) {
	store := &memory{delay: 100 * time.Millisecond}
	committer := ingestion.NewCommitter(store, ingestion.CommitOptions{Writers: 1})
	defer committer.Close(context.WithoutCancel(t.Context()))
	patient, gone := record("patient"), record("gone")
	var callers sync.WaitGroup
	insert := func(ctx context.Context, r ingestion.Record, want error) {
		callers.Go(func() {
			if _, err := committer.Insert(ctx, []ingestion.Record{r}); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", r.PlayerID, err, want)
			}
		})
	}
	insert(t.Context(), record("first"), nil)
	time.Sleep(20 * time.Millisecond) // the writer is busy with the first now
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	insert(short, gone, context.DeadlineExceeded)
	insert(t.Context(), patient, nil)
	callers.Wait()
	if store.writesWith(gone.EventID) != 0 || store.writesWith(patient.EventID) != 1 {
		t.Errorf("who gave up was written %d times, who waited %d", store.writesWith(gone.EventID), store.writesWith(patient.EventID))
	}
	if queued := committer.Queued(); queued != 0 {
		t.Errorf("%d records are queued", queued)
	}
}

func TestCommitterBoundsItsQueue(t *testing.T) {
	for name, options := range map[string]ingestion.CommitOptions{
		"records": {Writers: 1, MaxQueue: 5},
		"bytes":   {Writers: 1, MaxQueueBytes: 5000},
	} {
		t.Run(name, func(t *testing.T) {
			store := &memory{delay: 50 * time.Millisecond}
			committer := ingestion.NewCommitter(store, options)
			defer committer.Close(t.Context())
			var refused, stored int
			var mu sync.Mutex
			var callers sync.WaitGroup
			for range 20 {
				callers.Go(func() {
					_, err := committer.Insert(t.Context(), []ingestion.Record{heavy()})
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						stored++
					case errors.Is(err, ingestion.ErrOverloaded) && errors.Is(err, ingestion.ErrUnavailable):
						refused++
					default:
						t.Error(err)
					}
				})
			}
			callers.Wait()
			if stored < 5 || stored > 12 || stored != len(store.stored()) {
				t.Errorf("%d stored, %d refused", stored, refused)
			}
		})
	}
}

// heavy is a record of about 1,000 bytes.
func heavy() ingestion.Record {
	r := record("p")
	r.Metadata = []byte(`"` + strings.Repeat("x", 800) + `"`)
	return r
}

// stuckWriter holds every write until it is released.
type stuckWriter struct {
	ingestion.Store
	begun   chan int // of how many records
	release chan struct{}
}

func (w *stuckWriter) Write(ctx context.Context, records []ingestion.Record) ([]ingestion.Outcome, error) {
	w.begun <- len(records)
	<-w.release
	return w.Store.Write(ctx, records)
}

// stuckCommitter is a committer whose writers all are in a write of one record.
func stuckCommitter(t *testing.T, options ingestion.CommitOptions) (c *ingestion.Committer, w *stuckWriter, insert func(...ingestion.Record) <-chan error) {
	t.Helper()
	w = &stuckWriter{Store: &memory{}, begun: make(chan int, 100), release: make(chan struct{})}
	c = ingestion.NewCommitter(w, options)
	return c, w, func(records ...ingestion.Record) <-chan error {
		answer := make(chan error, 1)
		go func() {
			_, err := c.Insert(context.WithoutCancel(t.Context()), records)
			answer <- err
		}()
		return answer
	}
}

// What is being written is still held: while writes hang, no more is taken than the
// queue may have in all.
func TestCommitterCountsWhatIsBeingWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		committer, writer, insert := stuckCommitter(t, ingestion.CommitOptions{Writers: 1, MaxQueueBytes: 5000})
		first := insert(heavy(), heavy(), heavy())
		synctest.Wait()
		if <-writer.begun != 3 || committer.Queued() != 0 || committer.Bytes() != 3000 {
			t.Errorf("%d records are queued, of %d bytes with those being written", committer.Queued(), committer.Bytes())
		}
		if err := <-insert(heavy(), heavy(), heavy()); !errors.Is(err, ingestion.ErrOverloaded) {
			t.Errorf("3,000 bytes more are answered %v", err)
		}
		second := insert(heavy(), heavy())
		synctest.Wait()
		if err := committer.Err(); !errors.Is(err, ingestion.ErrOverloaded) {
			t.Errorf("with 5,000 of 5,000 bytes it refuses nothing: %v", err)
		}
		close(writer.release)
		for _, answer := range []<-chan error{first, second} {
			if err := <-answer; err != nil {
				t.Error(err)
			}
		}
		committer.Close(t.Context())
		if committer.Bytes() != 0 {
			t.Errorf("%d bytes are held at the end", committer.Bytes())
		}
	})
}

// A group is bounded in bytes, too, but for one request that has more; and what it
// leaves is for the other writers, also while the first ones hang.
func TestCommitterBoundsAGroupInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		committer, writer, insert := stuckCommitter(t, ingestion.CommitOptions{Writers: 4, MaxGroupBytes: 2500})
		answers := []<-chan error{insert(heavy())}
		synctest.Wait()
		for _, n := range []int{2, 4, 1} {
			records := make([]ingestion.Record, n)
			for i := range records {
				records[i] = heavy()
			}
			answers = append(answers, insert(records...))
			synctest.Wait()
		}
		time.Sleep(time.Second)
		if len(writer.begun) != 4 {
			t.Errorf("%d writes have begun while the first one hangs, want 4", len(writer.begun))
		}
		close(writer.release)
		for _, answer := range answers {
			if err := <-answer; err != nil {
				t.Error(err)
			}
		}
		committer.Close(t.Context())
		close(writer.begun)
		var groups []int
		for n := range writer.begun {
			groups = append(groups, n)
		}
		if fmt.Sprint(groups) != "[1 2 4 1]" {
			t.Errorf("the writes have %v records, want 1, 2, 4 and 1", groups)
		}
	})
}

// What callers that gave up had queued is given back once, not twice.
func TestCommitterBoundsItsQueueAfterGivingUp(t *testing.T) {
	store := &memory{delay: 150 * time.Millisecond}
	committer := ingestion.NewCommitter(store, ingestion.CommitOptions{Writers: 1, MaxQueueBytes: 3000})
	defer committer.Close(context.WithoutCancel(t.Context()))
	fill := func(patience time.Duration) (refused int) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var callers sync.WaitGroup
		var overloaded atomic.Int32
		for range 10 {
			callers.Go(func() {
				if _, err := committer.Insert(ctx, []ingestion.Record{heavy()}); errors.Is(err, ingestion.ErrOverloaded) {
					overloaded.Add(1)
				}
			})
		}
		callers.Wait()
		return int(overloaded.Load())
	}
	for round := range 3 {
		// Three are held at a time, with those that are being written.
		if refused := fill(60 * time.Millisecond); refused < 4 || refused > 8 {
			t.Errorf("round %d: %d of 10 were refused", round, refused)
		}
		time.Sleep(200 * time.Millisecond) // the writer passes those who gave up
	}
}

func TestCommitterClose(t *testing.T) {
	t.Run("writes what waits", func(t *testing.T) {
		store := &memory{delay: 30 * time.Millisecond}
		committer := ingestion.NewCommitter(store, ingestion.CommitOptions{Writers: 1})
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() {
				if _, err := committer.Insert(context.Background(), []ingestion.Record{record("p")}); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(10 * time.Millisecond)
		committer.Close(t.Context())
		callers.Wait()
		if len(store.stored()) != 10 {
			t.Errorf("%d of 10 were stored", len(store.stored()))
		}
		if _, err := committer.Insert(t.Context(), []ingestion.Record{record("late")}); !errors.Is(err, ingestion.ErrUnavailable) {
			t.Errorf("after Close: %v", err)
		}
	})
	t.Run("does not wait for a store that hangs", func(t *testing.T) {
		committer := ingestion.NewCommitter(&memory{delay: time.Minute}, ingestion.CommitOptions{})
		answered := make(chan error, 1)
		go func() {
			_, err := committer.Insert(context.Background(), []ingestion.Record{record("p")})
			answered <- err
		}()
		time.Sleep(10 * time.Millisecond)
		grace, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		committer.Close(grace)
		if err := <-answered; !errors.Is(err, ingestion.ErrUnavailable) {
			t.Errorf("the request was answered %v", err)
		}
	})
}

func BenchmarkCommitter(b *testing.B) {
	committer := ingestion.NewCommitter(discard{}, ingestion.CommitOptions{})
	defer committer.Close(context.Background())
	r := []ingestion.Record{record("p")}
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := committer.Insert(context.Background(), r); err != nil {
				b.Error(err)
			}
		}
	})
}

// discard is a Writer that takes no time.
type discard struct{}

func (discard) Write(ctx context.Context, records []ingestion.Record) ([]ingestion.Outcome, error) {
	return make([]ingestion.Outcome, len(records)), nil
}
