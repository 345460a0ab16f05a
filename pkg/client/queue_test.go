package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/client"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// newQueue closes the queue with the test, and gives it no time to send what is
// left then.
func newQueue(t testing.TB, c *client.Client, config client.QueueConfig) *client.Queue {
	t.Helper()
	q, err := client.NewQueue(c, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		q.Close(ctx)
	})
	return q
}

// patience is how long something may take on a busy machine.
const patience = 3 * time.Minute

func flush(t testing.TB, q *client.Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := q.Flush(ctx); err != nil {
		t.Fatalf("%v; %+v", err, q.Stats())
	}
}

func wait(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %s: %s", patience, what)
		}
	}
}

// fates collects what a queue tells.
type fates struct {
	mu  sync.Mutex
	all map[uuid.UUID]client.Outcome
}

func (f *fates) tell(o client.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[uuid.UUID]client.Outcome{}
	}
	f.all[o.EventID] = o
}

func (f *fates) of(id uuid.UUID) client.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[id]
}

// The real service refuses one event of many; the queue hands it back with the
// reason, and the others are stored.
func TestAQueueHandsBackWhatIsRefused(t *testing.T) {
	p := newPlatform(t)
	p.start(t)
	var told fates
	q := newQueue(t, dial(t, p.url()), client.QueueConfig{OnOutcome: told.tell})
	var bad uuid.UUID
	for n := range 100 {
		e := numbered("p", n)
		if n == 42 {
			e.EventType, bad = "not a type", e.EventID
		}
		if _, err := q.Enqueue(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, q)
	times, order := p.stored(t)
	if len(times) != 99 || times[bad.String()] != 0 {
		t.Errorf("%d events are stored", len(times))
	}
	ascending(t, order)
	o := told.of(bad)
	fields, invalid := client.Invalid(o.Err)
	e, err := o.Event()
	if o.Fate != client.Refused || !invalid || fields[0].Field != "eventType" || err != nil || e.EventType != "not a type" || e.PlayerID != "p" {
		t.Errorf("the queue told of the bad one %s, %v; it was %+v, %v", o.Fate, o.Err, e, err)
	}
	if s := q.Stats(); s.Enqueued != 100 || s.Stored != 99 || s.Refused != 1 || s.Waiting != 0 || s.Requests == 0 {
		t.Errorf("%+v", s)
	}
}

// An id is taken by an event with another body: the service says so with 409 for
// a request as a whole, or in the event's result; neither is tried again.
func TestAConflictIsNotTriedAgain(t *testing.T) {
	var requests atomic.Int32
	_, server := serve(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"error":{"code":"conflict","message":"the id is taken"}}`)
		})
	})
	var told fates
	q := newQueue(t, dial(t, server.URL), client.QueueConfig{OnOutcome: told.tell})
	id, err := q.Enqueue(t.Context(), login("p"))
	if err != nil {
		t.Fatal(err)
	}
	flush(t, q)
	o := told.of(id)
	if e, ok := errors.AsType[*client.Error](o.Err); o.Fate != client.Refused || !ok || e.Status != http.StatusConflict || requests.Load() != 1 {
		t.Errorf("told %s, %v after %d requests", o.Fate, o.Err, requests.Load())
	}
}

// The real service is away for a while, then asks to come back later, then is back.
func TestAQueueSitsOutTrouble(t *testing.T) {
	var requests atomic.Int32
	s, server := serve(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch n := requests.Add(1); {
			case n <= 4:
				panic(http.ErrAbortHandler)
			case n <= 8:
				w.WriteHeader(http.StatusServiceUnavailable)
			case n <= 12:
				w.Header().Set("Retry-After", time.Now().Add(-time.Second).UTC().Format(http.TimeFormat))
				w.WriteHeader(http.StatusTooManyRequests)
			default:
				next.ServeHTTP(w, r)
			}
		})
	})
	var log strings.Builder
	var mu sync.Mutex
	q := newQueue(t, dial(t, server.URL), client.QueueConfig{
		Linger: time.Millisecond, MaxEvents: 10,
		Log: slog.New(slog.NewTextHandler(locked{&mu, &log}, nil)),
	})
	for n := range 500 {
		if _, err := q.Enqueue(t.Context(), numbered(fmt.Sprint("p", n%10), n)); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, q)
	if stats := q.Stats(); s.count() != 500 || stats.Stored != 500 || stats.Retries != 12 || stats.Trouble != nil {
		t.Errorf("%d are stored; %+v", s.count(), stats)
	}
	mu.Lock()
	defer mu.Unlock()
	if said := log.String(); !strings.Contains(said, "events cannot be sent; they wait") || !strings.Contains(said, "events can be sent again") {
		t.Errorf("the log says:\n%s", said)
	}
}

// A proxy has limits of its own, for requests or for answers: a batch goes through in
// parts, and one event that is too large for it does not hold up the others.
func TestAProxyWithLimitsOfItsOwn(t *testing.T) {
	for name, limit := range map[string]func(events int) *http.Response{
		"requests": func(int) *http.Response { return answered(http.StatusRequestEntityTooLarge, nil) },
		"answers": func(events int) *http.Response {
			w := httptest.NewRecorder()
			fmt.Fprint(w, `{"stored":`, events, `,"results":[{"status":"sto`)
			return w.Result()
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			service := &ledger{known: map[uuid.UUID]bool{}}
			c := dial(t, "http://offline", client.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				again, err := r.GetBody()
				if err != nil {
					return nil, err
				}
				body, err := io.ReadAll(again)
				if err != nil {
					return nil, err
				}
				if events := bytes.Count(body, []byte("\n")) + 1; events > 3 || name == "requests" && bytes.Contains(body, []byte("huge")) {
					return limit(events), nil
				}
				return service.RoundTrip(r)
			})}))
			var told fates
			q := newQueue(t, c, client.QueueConfig{Compression: client.NoCompression, OnOutcome: told.tell})
			var huge uuid.UUID
			for n := range 40 {
				e := numbered(fmt.Sprint("p", n%3), n)
				if n == 20 {
					e.EventType, huge = "huge", e.EventID
				}
				if _, err := q.Enqueue(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			flush(t, q)
			s := q.Stats()
			if name == "answers" && s.Stored+s.Duplicates != 40 || name == "requests" && (s.Stored != 39 || told.of(huge).Fate != client.Refused) {
				t.Errorf("limits of %s: %+v", name, s)
			}
		})
	}
}

// Events of some players cannot be sent, and those of others can: the queue is in
// trouble all the while, and the log is told of it once.
func TestTroubleOfSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &ledger{known: map[uuid.UUID]bool{}}
		var mended atomic.Bool
		c := dial(t, "http://offline", client.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			again, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			if body, err := io.ReadAll(again); err != nil || bytes.Contains(body, []byte("unlucky")) && !mended.Load() {
				return nil, errBroken
			}
			return service.RoundTrip(r)
		})}))
		var log strings.Builder
		var mu sync.Mutex
		q := newQueue(t, c, client.QueueConfig{
			InFlight: 8, Compression: client.NoCompression, Linger: time.Millisecond, GiveUpAfter: time.Hour,
			Log: slog.New(slog.NewTextHandler(locked{&mu, &log}, nil)),
		})
		if _, err := q.Enqueue(t.Context(), login("unlucky")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for n := range 200 {
			if _, err := q.Enqueue(t.Context(), login(fmt.Sprint("p", n))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
			if s := q.Stats(); !errors.Is(s.Trouble, errBroken) {
				t.Fatalf("%+v", s)
			}
		}
		mended.Store(true)
		flush(t, q)
		if s := q.Stats(); s.Stored != 201 || s.Trouble != nil {
			t.Errorf("%+v", s)
		}
		mu.Lock()
		defer mu.Unlock()
		if said := log.String(); strings.Count(said, "they wait") != 1 || strings.Count(said, "sent again") != 1 {
			t.Errorf("the log says:\n%s", said)
		}
	})
}

type locked struct {
	mu *sync.Mutex
	w  *strings.Builder
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// down is a service that nobody reaches.
func down(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func dialDown(t *testing.T) *client.Client {
	t.Helper()
	return dial(t, "http://offline", client.WithHTTPClient(&http.Client{Transport: roundTrip(down)}), client.WithRetry(client.DefaultRetry()))
}

func TestAFullQueueBlocksOrDrops(t *testing.T) {
	for name, spooled := range map[string]bool{"memory": false, "spool": true} {
		t.Run(name, func(t *testing.T) {
			config := func(full client.WhenFull, told *fates) client.QueueConfig {
				c := client.QueueConfig{MaxMemory: 3000, WhenFull: full, OnOutcome: told.tell}
				if spooled {
					c.Spool = &client.Spool{Dir: t.TempDir(), MaxBytes: 3000}
				}
				return c
			}
			fill := func(ctx context.Context, q *client.Queue) (id uuid.UUID, taken int, err error) {
				for ; err == nil; taken++ {
					if taken > 100 {
						t.Fatal("100 events went into 3000 bytes")
					}
					id, err = q.Enqueue(ctx, login("p"))
				}
				return id, taken - 1, err
			}
			var told fates
			q := newQueue(t, dialDown(t), config(client.Drop, &told))
			id, taken, err := fill(t.Context(), q)
			if !errors.Is(err, client.ErrFull) || told.of(id).Fate != client.Dropped || q.Stats().Dropped != 1 || q.Stats().Enqueued != int64(taken) {
				t.Errorf("to drop: %v, told %s, %+v", err, told.of(id).Fate, q.Stats())
			}

			q = newQueue(t, dialDown(t), config(client.Block, &told))
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, _, err = fill(ctx, q); !errors.Is(err, client.ErrFull) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("to block: %v", err)
			}
			closed := make(chan error)
			go func() {
				_, err := q.Enqueue(t.Context(), login("p"))
				closed <- err
			}()
			ended, end := context.WithCancel(t.Context())
			end()
			q.Close(ended)
			if err := <-closed; !errors.Is(err, client.ErrClosed) {
				t.Errorf("who waited for room when the queue was closed was told %v", err)
			}
			if _, err := q.Enqueue(t.Context(), login("p")); !errors.Is(err, client.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

// Closed while the service is away, a queue hands back what it holds; a spool
// keeps it for the next.
func TestCloseWhileTheServiceIsAway(t *testing.T) {
	var told fates
	q := newQueue(t, dialDown(t), client.QueueConfig{OnOutcome: told.tell})
	var ids []uuid.UUID
	for n := range 10 {
		id, err := q.Enqueue(t.Context(), numbered("p", n))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	wait(t, "the service is not reached", func() bool { return q.Stats().Trouble != nil })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := q.Close(ctx)
	unsent, ok := errors.AsType[*client.UnsentError](err)
	if !ok || len(unsent.Events) != 10 || !strings.Contains(err.Error(), "connection refused") || !errors.Is(q.Close(ctx), err) {
		t.Fatalf("Close says %v", err)
	}
	for i, id := range ids {
		if unsent.Events[i].EventID != id || told.of(id).Fate != client.GivenUp {
			t.Errorf("event %d: %+v, told %s", i, unsent.Events[i], told.of(id).Fate)
		}
	}

	p := newPlatform(t)
	spool := &client.Spool{Dir: t.TempDir(), Sync: client.SyncAlways}
	q = newQueue(t, dial(t, p.url()), client.QueueConfig{Spool: spool})
	for _, e := range unsent.Events {
		if _, err := q.Enqueue(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.NewQueue(dial(t, p.url()), client.QueueConfig{Spool: spool}); err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("a second queue on the same folder: %v", err)
	}
	if err := q.Close(ctx); err != nil || q.Stats().SpoolBytes == 0 {
		t.Errorf("Close says %v; %+v", err, q.Stats())
	}
	p.start(t)
	q = newQueue(t, dial(t, p.url()), client.QueueConfig{Spool: spool})
	flush(t, q)
	times, order := p.stored(t)
	ascending(t, order)
	for _, id := range ids {
		if times[id.String()] != 1 {
			t.Errorf("event %s is stored %d times", id, times[id.String()])
		}
	}
}

// Who closes or flushes a queue in a long back-off has its events tried at once, and
// again soon, but not before the service wants them.
func TestAFlushDoesNotSitOutABackoff(t *testing.T) {
	for name, c := range map[string]struct {
		away   time.Duration // of the service, after the flush has begun
		header http.Header
		took   time.Duration // of the flush, at most; 0: it does not end in a minute
	}{
		"the service is back": {took: 10 * time.Millisecond},
		"it comes back":       {away: 5 * time.Second, took: 6100 * time.Millisecond},
		"it wants to wait":    {away: 5 * time.Second, header: http.Header{"Retry-After": {"600"}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			service := &ledger{known: map[uuid.UUID]bool{}}
			var requests, back atomic.Int64
			back.Store(math.MaxInt64)
			q := newQueue(t, dial(t, "http://offline", client.WithRetry(client.Retry{First: 10 * time.Hour, Longest: 100 * time.Hour}),
				client.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					requests.Add(1)
					if time.Now().UnixNano() < back.Load() {
						return answered(http.StatusServiceUnavailable, c.header), nil
					}
					return service.RoundTrip(r)
				})})), client.QueueConfig{Spool: &client.Spool{Dir: t.TempDir()}})
			if _, err := q.Enqueue(t.Context(), login("p")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			began, before := time.Now(), requests.Load()
			back.Store(began.Add(c.away).UnixNano())
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := q.Flush(ctx)
			if took := time.Since(began); c.took > 0 && (err != nil || took > c.took) {
				t.Errorf("%s: %v after %s", name, err, took)
			}
			if tried := requests.Load() - before; c.took == 0 && (err == nil || tried != 1) {
				t.Errorf("%s: %v after %d requests", name, err, tried)
			}
		})
	}
}

// limiting is a ledger that takes one event a second of the player "fast", and all of
// others.
type limiting struct {
	*ledger
	next time.Time // when it takes one again
}

func (l *limiting) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := unpack(r)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var results []eventapi.BatchResult
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		if bytes.Contains(line, []byte(`"fast"`)) {
			if time.Now().Before(l.next) {
				results = append(results, eventapi.BatchResult{Status: eventapi.Rejected, Error: &eventapi.Error{Code: eventapi.RateLimited, Message: "too many"}})
				continue
			}
			l.next = time.Now().Add(time.Second)
		}
		results = append(results, l.store([][]byte{line}, none)...)
	}
	w := httptest.NewRecorder()
	err = json.NewEncoder(w).Encode(eventapi.BatchAnswer{Results: results})
	return w.Result(), err
}

// One player is over his rate for a minute: his events are stored in order, and those of
// others do not wait for them, on the same way to the service and when there is not room
// for all in memory.
func TestAPlayerOverHisRateHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &limiting{ledger: &ledger{known: map[uuid.UUID]bool{}}}
		c := dial(t, "http://offline", client.WithHTTPClient(&http.Client{Transport: service}))
		q := newQueue(t, c, client.QueueConfig{InFlight: 1, MaxEvents: 50, MaxMemory: 200_000, Compression: client.NoCompression})
		began := time.Now()
		enqueue := func(player string, n int) {
			e := numbered(player, n)
			e.Metadata = fmt.Appendf(nil, `{"n":%d,"fill":"%02000d"}`, n, n)
			if _, err := q.Enqueue(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 600 {
			if n%20 == 0 {
				enqueue("fast", n/20)
			}
			enqueue(fmt.Sprint("p", n%7), n)
		}
		wait(t, "all of the others are stored", func() bool { return q.Stats().Stored >= 600 })
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("events of others waited for %s", took)
		}
		flush(t, q)
		if took := time.Since(began); took < 29*time.Second || took > 45*time.Second || q.Stats().Stored != 630 {
			t.Errorf("after %s: %+v", took, q.Stats())
		}
		order := map[string][]int{}
		for _, e := range service.order {
			var metadata struct{ N int }
			if err := json.Unmarshal(e.Metadata, &metadata); err != nil {
				t.Fatal(err)
			}
			order[e.PlayerID] = append(order[e.PlayerID], metadata.N)
		}
		ascending(t, order)
	})
}

// Events that stay too many of their player are given up, each in its time, and tried
// at once by who closes the queue.
func TestEventsOfAPlayerWhoStaysOverHisRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &limiting{ledger: &ledger{known: map[uuid.UUID]bool{}}, next: time.Now().Add(24 * time.Hour)}
		c := dial(t, "http://offline", client.WithHTTPClient(&http.Client{Transport: service}), client.WithRetry(client.DefaultRetry()))
		var told fates
		q := newQueue(t, c, client.QueueConfig{GiveUpAfter: time.Hour, OnOutcome: told.tell})
		var ids []uuid.UUID
		for range 2 {
			id, err := q.Enqueue(t.Context(), login("fast"))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
			time.Sleep(30 * time.Minute)
		}
		time.Sleep(time.Minute)
		first, second := told.of(ids[0]), told.of(ids[1])
		if first.Fate != client.GivenUp || !strings.Contains(first.Err.Error(), "too many") || second.Fate != 0 {
			t.Errorf("after an hour and a minute: %s, %v; %s", first.Fate, first.Err, second.Fate)
		}
		service.mu.Lock()
		service.next = time.Now()
		service.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := q.Close(ctx); err != nil || told.of(ids[1]).Fate != client.Stored {
			t.Errorf("Close says %v, the event is %s", err, told.of(ids[1]).Fate)
		}
	})
}

func TestEventsAreGivenUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told fates
		q := newQueue(t, dialDown(t), client.QueueConfig{GiveUpAfter: time.Hour, OnOutcome: told.tell})
		began := time.Now()
		id, err := q.Enqueue(t.Context(), login("p"))
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		o := told.of(id)
		if took := time.Since(began); o.Fate != client.GivenUp || o.Err == nil || took < time.Hour || took > time.Hour+time.Minute {
			t.Errorf("told %s after %s: %v", o.Fate, took, o.Err)
		}
		if s := q.Stats(); s.GivenUp != 1 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A file of the spool cannot be opened for a while: the queue says so, and sends what is
// in it when it can be.
func TestASpoolThatCannotBeRead(t *testing.T) {
	s, server := serve(t, nil)
	s.set(errBroken)
	dir := t.TempDir()
	q := newQueue(t, dial(t, server.URL), client.QueueConfig{
		MaxMemory: 1000, Linger: time.Millisecond, Spool: &client.Spool{Dir: dir, MaxBytes: 40_000, Sync: client.SyncNever},
	})
	for n := range 150 {
		if _, err := q.Enqueue(t.Context(), numbered("p", n)); err != nil {
			t.Fatal(err)
		}
	}
	segments, err := filepath.Glob(filepath.Join(dir, "*.segment"))
	if err != nil || len(segments) < 3 {
		t.Fatalf("%v, %v", segments, err)
	}
	path := segments[1]
	if err := errors.Join(os.Rename(path, path+".away"), os.Symlink(path, path)); err != nil {
		t.Fatal(err)
	}
	s.set(nil)
	wait(t, "the queue is in trouble", func() bool {
		trouble := q.Stats().Trouble
		return trouble != nil && strings.Contains(trouble.Error(), "cannot be read")
	})
	if err := os.Rename(path+".away", path); err != nil { // at once: it is never gone
		t.Fatal(err)
	}
	flush(t, q)
	if stats := q.Stats(); s.count() != 150 || stats.LostBytes != 0 || stats.Trouble != nil {
		t.Errorf("%d are stored; %+v", s.count(), stats)
	}
}

// Events linger for others; a full request does not, and neither does a flush.
func TestLinger(t *testing.T) {
	flushed := func(t *testing.T, q *client.Queue) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := q.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a flush that ends before the service answers: %v", err)
		}
	}
	waited := func(*testing.T, *client.Queue) { time.Sleep(time.Minute) }
	for _, c := range []struct {
		events int
		then   func(*testing.T, *client.Queue)
		after  time.Duration
	}{{2, waited, time.Second}, {3, waited, 0}, {2, flushed, 0}} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var first atomic.Int64
			service := offline(t, func(*http.Request) *http.Response {
				first.CompareAndSwap(0, int64(1+time.Since(began)))
				return answered(http.StatusBadGateway, nil)
			})
			q := newQueue(t, service, client.QueueConfig{MaxEvents: 3, Linger: time.Second, InFlight: 1})
			for range c.events {
				if _, err := q.Enqueue(t.Context(), login("p")); err != nil {
					t.Fatal(err)
				}
			}
			c.then(t, q)
			if after := time.Duration(first.Load() - 1); after != c.after {
				t.Errorf("%d events of 3 went after %s, want %s", c.events, after, c.after)
			}
		})
	}
}

func TestEventsThatCannotBeSent(t *testing.T) {
	q := newQueue(t, dialDown(t), client.QueueConfig{MaxBytes: 1000})
	for what, e := range map[string]event.Event{
		"no UTF-8":  login("\xff"),
		"too large": {PlayerID: strings.Repeat("p", 1000), EventType: "login", Timestamp: time.Now()},
		"no JSON":   {PlayerID: "p", EventType: "login", Timestamp: time.Now(), Metadata: []byte(`{`)},
	} {
		if _, err := q.Enqueue(t.Context(), e); err == nil {
			t.Errorf("an event is taken: %s", what)
		}
	}
	if s := q.Stats(); s.Enqueued != 0 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

func TestASpoolThatCannotBeOpened(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", file} {
		if _, err := client.NewQueue(dialDown(t), client.QueueConfig{Spool: &client.Spool{Dir: dir}}); err == nil {
			t.Errorf("a spool in %q", dir)
		}
	}
}

// How much goes through a queue to the real service over loopback, with a store
// that costs nothing: the client's and the API's share.
func BenchmarkEnqueue(b *testing.B) {
	for name, config := range map[string]client.QueueConfig{
		"zstd": {}, "gzip": {Compression: client.Gzip}, "plain": {Compression: client.NoCompression}, "spool": {Spool: &client.Spool{Dir: b.TempDir()}},
	} {
		b.Run(name, func(b *testing.B) {
			_, server := serve(b, nil)
			q := newQueue(b, dial(b, server.URL), config)
			e := login("p")
			e.Metadata = []byte(`{"level":7,"region":"eu-central","weapon":"bow","position":{"x":12.25,"y":-3.5},"session":"01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b10"}`)
			players := make([]string, 1000)
			for i := range players {
				players[i] = fmt.Sprintf("player-%d", i)
			}
			b.ReportAllocs()
			for i := range b.N {
				e.PlayerID = players[i%len(players)]
				if _, err := q.Enqueue(b.Context(), e); err != nil {
					b.Fatal(err)
				}
			}
			flush(b, q)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			if s := q.Stats(); s.Stored != int64(b.N) {
				b.Fatalf("%+v", s)
			}
		})
	}
}
