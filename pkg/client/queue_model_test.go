package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/gamemetrics/gmctl/pkg/client"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// ledger is the service as a queue sees it, without connections and clocks: it
// stores each id once, refuses events of the type "bad", and does to each request
// what its plan says.
type ledger struct {
	mu       sync.Mutex
	plan     []trouble // of the requests in turn; none where it ends
	requests int
	order    []event.Event // as they were stored
	known    map[uuid.UUID]bool
}

type trouble int

const (
	none         trouble = iota
	unreached            // the connection is refused
	lostAnswer           // stored, and the connection breaks
	busy                 // 503, with Retry-After
	limited              // 429
	unknownKey           // 401
	fault                // 500
	tooLong              // 413 for more than one event
	halfAnswer           // fewer results than events
	noPacking            // 415 for compressed bodies
	proxyTooLong         // 413 for more than one event, and not by the service
	page                 // 200, and no JSON
	tornAnswer           // stored, and the JSON of the answer ends too early
	playerLimit          // of each player one event is taken, and the others of the request are too many
	someLimited          // of some players no event is taken, and all of others
	troubles
)

var errBroken = errors.New("connection reset by peer")

func (l *ledger) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	body, err := unpack(r)
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	does := none
	if l.requests < len(l.plan) {
		does = l.plan[l.requests]
	}
	l.requests++
	answer := httptest.NewRecorder()
	refuse := func(status int, code eventapi.Code) (*http.Response, error) {
		answer.WriteHeader(status)
		_ = json.NewEncoder(answer).Encode(eventapi.Failure{Error: eventapi.Error{Code: code, Message: "as planned"}})
		return answer.Result(), nil
	}
	lines := bytes.Split(body, []byte("\n"))
	switch {
	case does == unreached:
		return nil, errBroken
	case does == busy:
		answer.Header().Set("Retry-After", "3")
		return refuse(http.StatusServiceUnavailable, eventapi.Overloaded)
	case does == limited:
		return refuse(http.StatusTooManyRequests, "rate-limited")
	case does == unknownKey:
		return refuse(http.StatusUnauthorized, "invalid-key")
	case does == fault:
		return refuse(http.StatusInternalServerError, eventapi.Internal)
	case does == tooLong && len(lines) > 1:
		return refuse(http.StatusRequestEntityTooLarge, eventapi.TooManyEvents)
	case does == proxyTooLong && len(lines) > 1:
		answer.WriteHeader(http.StatusRequestEntityTooLarge)
		return answer.Result(), nil
	case does == page:
		fmt.Fprint(answer, "<html>")
		return answer.Result(), nil
	case does == noPacking && r.Header.Get("Content-Encoding") != "":
		return refuse(http.StatusUnsupportedMediaType, eventapi.UnsupportedEncoding)
	}
	results := l.store(lines, does)
	switch does {
	case lostAnswer:
		return nil, errBroken
	case halfAnswer:
		results = results[:len(results)/2]
	case tornAnswer:
		fmt.Fprint(answer, `{"results":[`)
		return answer.Result(), nil
	}
	_ = json.NewEncoder(answer).Encode(eventapi.BatchAnswer{Results: results})
	return answer.Result(), nil
}

func (l *ledger) store(lines [][]byte, does trouble) (results []eventapi.BatchResult) {
	took := map[string]bool{}
	for _, line := range lines {
		var e event.Event
		if err := json.Unmarshal(line, &e); err != nil {
			panic(fmt.Sprintf("%q: %v", line, err))
		}
		result := eventapi.BatchResult{Status: eventapi.Stored, EventID: e.EventID.String()}
		switch {
		case e.EventType == "bad":
			result = eventapi.BatchResult{Status: eventapi.Rejected, Error: &eventapi.Error{Code: eventapi.InvalidEvent, Message: "the event is not valid", Fields: []event.FieldError{{Field: "eventType", Code: "bad", Reason: "is bad"}}}}
		case does == playerLimit && took[e.PlayerID], does == someLimited && strings.HasSuffix(e.PlayerID, "1"):
			result = eventapi.BatchResult{Status: eventapi.Rejected, Error: &eventapi.Error{Code: eventapi.RateLimited, Message: "as planned"}}
		case l.known[e.EventID]:
			result.Status = eventapi.Duplicate
		default:
			l.known[e.EventID] = true
			l.order = append(l.order, e)
		}
		took[e.PlayerID] = true
		results = append(results, result)
	}
	return results
}

func unpack(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	switch r.Header.Get("Content-Encoding") {
	case "zstd":
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return d.DecodeAll(body, nil)
	case "gzip":
		g, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(g)
	}
	return body, nil
}

// wanted is what a property test sends.
type wanted struct {
	config  client.QueueConfig
	plan    []trouble
	senders [][]event.Event // each enqueues its events in turn; no two have a player in common
	spool   bool
}

func draw(t *rapid.T) wanted {
	w := wanted{config: client.QueueConfig{
		MaxEvents: rapid.IntRange(1, 9).Draw(t, "events of a request"), MaxBytes: rapid.IntRange(400, 5000).Draw(t, "bytes of a request"),
		Linger: time.Duration(rapid.IntRange(0, 100).Draw(t, "linger")) * time.Millisecond, InFlight: rapid.IntRange(1, 4).Draw(t, "in flight"),
		MaxMemory: rapid.Int64Range(1, 20_000).Draw(t, "memory"), Compression: client.Compression(rapid.IntRange(0, 2).Draw(t, "compression")),
		WhenFull: client.WhenFull(rapid.IntRange(0, 1).Draw(t, "when full")),
	}, spool: rapid.Bool().Draw(t, "spool")}
	for _, p := range rapid.SliceOfN(rapid.IntRange(0, int(troubles)-1), 0, 40).Draw(t, "troubles") {
		w.plan = append(w.plan, trouble(p))
	}
	for s := range rapid.IntRange(1, 3).Draw(t, "senders") {
		var events []event.Event
		for i, player := range rapid.SliceOfN(rapid.IntRange(0, 3), 0, 60).Draw(t, "players") {
			e := event.Event{
				EventID: uuid.New(), PlayerID: fmt.Sprintf("%d-%d", s, player), EventType: "login", Timestamp: time.Unix(int64(i), 0).UTC(),
				Metadata: fmt.Appendf(nil, `{"n":%d,"fill":"%0*d"}`, i, rapid.IntRange(1, 150).Draw(t, "fill"), i),
			}
			if rapid.IntRange(0, 9).Draw(t, "bad") == 0 {
				e.EventType = "bad"
			}
			events = append(events, e)
		}
		w.senders = append(w.senders, events)
	}
	return w
}

// Whatever the service does for a while: each event that the queue took is stored
// once, or refused if it is bad; a player's events are stored in order; the queue
// tells once of each what became of it; and nothing of the queue is left running,
// for synctest finds that.
func TestAQueueLosesAndReordersNothing(t *testing.T) {
	home, run := t.TempDir(), 0
	rapid.Check(t, func(r *rapid.T) {
		w := draw(r)
		if w.spool {
			run++
			w.config.Spool = &client.Spool{Dir: filepath.Join(home, fmt.Sprint(run)), MaxBytes: rapid.Int64Range(2000, 50_000).Draw(r, "spool bytes"), Sync: client.SyncNever}
			defer os.RemoveAll(w.config.Spool.Dir)
		}
		var problem string
		synctest.Test(t, func(t *testing.T) { problem = w.check(t.Context()) })
		if problem != "" {
			r.Fatal(problem)
		}
	})
}

func (w *wanted) check(ctx context.Context) string {
	service := &ledger{plan: w.plan, known: map[uuid.UUID]bool{}}
	c, err := client.New("http://offline", client.WithHTTPClient(&http.Client{Transport: service}))
	if err != nil {
		return err.Error()
	}
	var mu sync.Mutex
	told := map[uuid.UUID][]client.Fate{}
	w.config.OnOutcome = func(o client.Outcome) {
		mu.Lock()
		defer mu.Unlock()
		told[o.EventID] = append(told[o.EventID], o.Fate)
		if e, err := o.Event(); err != nil || e.EventID != o.EventID {
			panic(fmt.Sprintf("the outcome of %s has the event %v, %v", o.EventID, e, err))
		}
	}
	q, err := client.NewQueue(c, w.config)
	if err != nil {
		return err.Error()
	}
	var senders sync.WaitGroup
	for _, events := range w.senders {
		senders.Go(func() {
			for _, e := range events {
				if _, err := q.Enqueue(ctx, e); err != nil && !errors.Is(err, client.ErrFull) {
					panic(err)
				}
			}
		})
	}
	senders.Wait()
	if err := q.Flush(ctx); err != nil {
		return "Flush: " + err.Error()
	}
	stats := q.Stats()
	if err := q.Close(ctx); err != nil {
		return "Close: " + err.Error()
	}
	return w.audit(service, told, stats)
}

func (w *wanted) audit(service *ledger, told map[uuid.UUID][]client.Fate, stats client.Stats) string {
	var stored, refused, dropped int64
	want := map[string][]uuid.UUID{} // of each player, what was taken and is good, in order
	faults := w.faults()
	for _, events := range w.senders {
		for _, e := range events {
			fates := told[e.EventID]
			if len(fates) != 1 {
				return fmt.Sprintf("of event %s the queue told %v", e.EventID, fates)
			}
			switch fate := fates[0]; {
			case fate == client.Dropped && w.config.WhenFull == client.Drop:
				dropped++
			case fate == client.Refused && (e.EventType == "bad" || faults >= 5): // a fault that stays is taken for the event's
				refused++
				if service.known[e.EventID] {
					want[e.PlayerID] = append(want[e.PlayerID], e.EventID) // an earlier answer was lost
				}
			case (fate == client.Stored || fate == client.Duplicate) && e.EventType != "bad":
				stored++
				want[e.PlayerID] = append(want[e.PlayerID], e.EventID)
			default:
				return fmt.Sprintf("event %s of type %s is %s", e.EventID, e.EventType, fate)
			}
		}
	}
	got := map[string][]uuid.UUID{}
	for _, e := range service.order {
		got[e.PlayerID] = append(got[e.PlayerID], e.EventID)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Sprintf("stored %v, want %v", got, want)
	}
	if stats.Stored+stats.Duplicates != stored || stats.Refused != refused || stats.Dropped != dropped || stats.Enqueued != stored+refused ||
		stats.GivenUp != 0 || stats.Waiting != 0 || stats.MemoryBytes != 0 || stats.LostBytes != 0 || stats.Trouble != nil {
		return fmt.Sprintf("stats %+v with %d stored, %d refused, %d dropped", stats, stored, refused, dropped)
	}
	return ""
}

func (w *wanted) faults() (n int) {
	for _, does := range w.plan {
		if does == fault {
			n++
		}
	}
	return n
}
