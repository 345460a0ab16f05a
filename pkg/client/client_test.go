package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/client"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// store keeps events in memory, and counts how often each was new.
type store struct {
	mu      sync.Mutex
	records map[uuid.UUID]ingestion.Record
	down    error
}

func (s *store) Write(ctx context.Context, records []ingestion.Record) ([]ingestion.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	outcomes := make([]ingestion.Outcome, len(records))
	for i, r := range records {
		if was, ok := s.records[r.EventID]; ok {
			outcomes[i] = ingestion.Conflict(was.PlayerID != r.PlayerID, was.EventType != r.EventType, false)
			continue
		}
		s.records[r.EventID] = r
	}
	return outcomes, nil
}

func (s *store) Ping(context.Context) error { return nil }

func (s *store) set(down error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records)
}

// serve starts the real service behind the given disturbance, which may be nil.
func serve(t testing.TB, disturb func(http.Handler) http.Handler) (*store, *httptest.Server) {
	t.Helper()
	s := &store{records: map[uuid.UUID]ingestion.Record{}}
	service, err := ingestion.New(ingestion.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	handler := service.Handler()
	if disturb != nil {
		handler = disturb(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.Close()
		service.Close(context.Background())
	})
	return s, server
}

// quick tries often and waits little.
var quick = client.Retry{Attempts: 5, First: time.Millisecond, Longest: 20 * time.Millisecond}

func dial(t testing.TB, url string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(url, append([]client.Option{client.WithRetry(quick)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func login(player string) event.Event {
	return event.Event{PlayerID: player, EventType: "login", Timestamp: time.Now(), Metadata: json.RawMessage(`{"level":7}`)}
}

func TestSend(t *testing.T) {
	s, server := serve(t, nil)
	id, err := dial(t, server.URL, client.WithTestRun("run-7")).Send(t.Context(), login("p1"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.records[id]; got.PlayerID != "p1" || string(got.Metadata) != `{"level":7}` || got.TestRun != "run-7" {
		t.Errorf("stored %+v", got)
	}
	own := login("p2")
	own.EventID = uuid.New()
	if id, err := dial(t, server.URL+"/").Send(t.Context(), own); err != nil || id != own.EventID {
		t.Errorf("an event with an id: %s, %v", id, err)
	}
}

func TestSendTellsWhatIsInvalid(t *testing.T) {
	var requests atomic.Int32
	_, server := serve(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests.Add(1); next.ServeHTTP(w, r) })
	})
	bad := login("")
	bad.EventType = "log in"
	_, err := dial(t, server.URL).Send(t.Context(), bad)
	fields, ok := client.Invalid(err)
	if !ok || len(fields) != 2 || fields[0].Field != "playerId" || fields[1].Code != event.CodeInvalidFormat {
		t.Errorf("the error is %v, its fields %v", err, fields)
	}
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 400 || e.RequestID == "" {
		t.Errorf("the error is %#v", err)
	}
	if requests.Load() != 1 {
		t.Errorf("an invalid event was sent %d times", requests.Load())
	}
	if _, err := dial(t, server.URL).Send(t.Context(), login("\xff")); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("a player id that is not UTF-8: %v", err)
	}
}

func TestSendTellsAConflict(t *testing.T) {
	var requests atomic.Int32
	_, server := serve(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			next.ServeHTTP(w, r)
		})
	})
	c, e := dial(t, server.URL), login("p1")
	e.EventID = uuid.New()
	if _, err := c.Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.PlayerID = "p2"
	_, err := c.Send(t.Context(), e)
	fields, ok := client.Conflict(err)
	if !ok || len(fields) != 1 || fields[0].Field != "playerId" || !strings.Contains(err.Error(), e.EventID.String()) {
		t.Errorf("the error is %v, its fields %v", err, fields)
	}
	if requests.Load() != 2 {
		t.Errorf("%d requests: a conflict was sent again", requests.Load())
	}
	results, err := c.SendBatch(t.Context(), []event.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	if fields, ok := client.Conflict(results[0].Err); !ok || len(fields) != 1 || results[0].Status != eventapi.Rejected || results[0].Err.Status != http.StatusConflict {
		t.Errorf("the result is %+v", results[0])
	}
}

func TestSendBatch(t *testing.T) {
	s, server := serve(t, nil)
	c := dial(t, server.URL)
	events := make([]event.Event, 2500)
	for i := range events {
		events[i] = login(fmt.Sprintf("p%d", i))
		events[i].EventID = uuid.New()
	}
	events[1200].PlayerID = ""
	for again := range 2 {
		results, err := c.SendBatch(t.Context(), events)
		if err != nil || len(results) != len(events) {
			t.Fatalf("%d results, %v", len(results), err)
		}
		for i, result := range results {
			want := []eventapi.Status{eventapi.Stored, eventapi.Duplicate}[again]
			if i == 1200 {
				want = eventapi.Rejected
				if fields, ok := client.Invalid(result.Err); !ok || fields[0].Field != "playerId" {
					t.Errorf("the rejected event says %v", result.Err)
				}
			}
			if result.Status != want || result.EventID != events[i].EventID {
				t.Fatalf("event %d: %+v, want %s", i, result, want)
			}
		}
	}
	if s.count() != 2499 {
		t.Errorf("%d events are stored", s.count())
	}
	if results, err := c.SendBatch(t.Context(), nil); err != nil || len(results) != 0 {
		t.Errorf("no events: %v, %v", results, err)
	}
}

// The answer gets lost, and with it the ids that the service was sent, were they not in
// the caller's slice: the caller sends it again, and each event is stored once.
func TestABatchIsSentAgainByItsCaller(t *testing.T) {
	var requests atomic.Int32
	s, server := serve(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) == 2 {
				next.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	})
	c := dial(t, server.URL, client.WithRetry(client.Retry{Attempts: 1}))
	events := make([]event.Event, eventapi.MaxBatch+500)
	for i := range events {
		events[i] = login("p")
	}
	results, err := c.SendBatch(t.Context(), events)
	if err == nil || len(results) != eventapi.MaxBatch {
		t.Fatalf("%d results, %v", len(results), err)
	}
	again, err := c.SendBatch(t.Context(), events[len(results):])
	if err != nil || s.count() != len(events) {
		t.Errorf("of %d events %d are stored: %v", len(events), s.count(), err)
	}
	for i, result := range append(results, again...) {
		if result.EventID != events[i].EventID {
			t.Fatalf("the %d-th result is of %s, the event is %s", i, result.EventID, events[i].EventID)
		}
	}
}

// An answer that names all that is wrong with each event of a batch has some megabytes.
func TestAnAnswerThatSaysMuch(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fields := slices.Repeat([]event.FieldError{{Field: "metadata." + strings.Repeat("f", 100), Code: event.CodeSchema, Reason: strings.Repeat("r", 200)}}, 20)
		w.WriteHeader(http.StatusMultiStatus)
		if err := json.NewEncoder(w).Encode(eventapi.BatchAnswer{Results: slices.Repeat(
			[]eventapi.BatchResult{{Status: eventapi.Rejected, Error: &eventapi.Error{Code: eventapi.InvalidEvent, Message: "the event is not valid", Fields: fields}}}, eventapi.MaxBatch)}); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	results, err := dial(t, server.URL).SendBatch(t.Context(), slices.Repeat([]event.Event{login("p")}, eventapi.MaxBatch))
	if err != nil || len(results) != eventapi.MaxBatch {
		t.Fatalf("%d results, %v", len(results), err)
	}
	if fields, invalid := client.Invalid(results[999].Err); !invalid || len(fields) != 20 {
		t.Errorf("the last result: %+v", results[999])
	}
}

// A batch of large events is cut by bytes too.
func TestSendBatchOfLargeEvents(t *testing.T) {
	s, server := serve(t, nil)
	events := make([]event.Event, 100)
	for i := range events {
		events[i] = login("p")
		events[i].Metadata = json.RawMessage(`{"a":"` + strings.Repeat("x", 30<<10) + `"}`)
	}
	results, err := dial(t, server.URL).SendBatch(t.Context(), events)
	if err != nil || len(results) != 100 || s.count() != 100 {
		t.Errorf("%d results, %d stored, %v", len(results), s.count(), err)
	}
}

// Answers that get lost make the client send again, under the same id.
func TestRetriesStoreOnce(t *testing.T) {
	var requests atomic.Int32
	s, server := serve(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			lost := requests.Add(1)%3 != 0
			if !lost {
				next.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler) // the connection breaks before the answer
		})
	})
	c := dial(t, server.URL)
	for i := range 10 {
		if _, err := c.Send(t.Context(), login("p")); err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
	results, err := c.SendBatch(t.Context(), []event.Event{login("a"), login("b")})
	if err != nil || len(results) != 2 {
		t.Errorf("the batch: %v, %v", results, err)
	}
	if s.count() != 12 || requests.Load() != 33 {
		t.Errorf("%d events are stored after %d requests, want 12 after 33", s.count(), requests.Load())
	}
}

func TestRetriesWhatPasses(t *testing.T) {
	for _, status := range []int{408, 429, 502, 503, 504} {
		var requests atomic.Int32
		s, server := serve(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) < 3 {
					w.WriteHeader(status)
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		if _, err := dial(t, server.URL).Send(t.Context(), login("p")); err != nil || s.count() != 1 {
			t.Errorf("after two answers %d: %v", status, err)
		}
	}
	for _, status := range []int{401, 404, 500} {
		var requests atomic.Int32
		_, server := serve(t, func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				http.Error(w, "<html>", status)
			})
		})
		_, err := dial(t, server.URL).Send(t.Context(), login("p"))
		e, ok := errors.AsType[*client.Error](err)
		if !ok || e.Status != status || e.Code != "" || requests.Load() != 1 || !strings.Contains(err.Error(), "not from the events service") {
			t.Errorf("an answer %d: %v after %d requests", status, err, requests.Load())
		}
	}
}

// What is in the way answers in the service's place: a page to log in at, directly or
// after a redirect, or JSON that is not about the event. None of it says that the event
// is stored, and none is followed.
func TestAnAnswerThatIsNotTheServices(t *testing.T) {
	var asked atomic.Int32
	page := func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, "<html>Log in")
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"a page":        {page, "cannot be read"},
		"a redirect":    {http.RedirectHandler("/login", http.StatusFound).ServeHTTP, "the URL redirects to http://"},
		"a moved URL":   {http.RedirectHandler("https://elsewhere/api", http.StatusPermanentRedirect).ServeHTTP, "the URL redirects to https://elsewhere/api"},
		"another event": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"eventId":"%s"}`, uuid.New()) }, "answered for the event"},
		"other JSON":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"status":"ok"}`) }, "answered"},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle("/login", http.HandlerFunc(page))
			mux.Handle("/", c.answer)
			server := httptest.NewServer(mux)
			defer server.Close()
			own := &http.Client{}
			sender := dial(t, server.URL, client.WithHTTPClient(own))
			asked.Store(0)
			if id, err := sender.Send(t.Context(), login("p")); err == nil || id == uuid.Nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("an event: %s, %v", id, err)
			}
			if results, err := sender.SendBatch(t.Context(), []event.Event{login("p")}); err == nil || len(results) != 0 {
				t.Errorf("a batch: %v, %v", results, err)
			}
			if name != "a page" && asked.Load() != 0 {
				t.Errorf("a redirect was followed")
			}
			if own.CheckRedirect != nil {
				t.Error("the caller's client was changed")
			}
		})
	}
}

func TestRetriesEnd(t *testing.T) {
	s, server := serve(t, nil)
	s.set(errors.New("connection refused"))
	_, err := dial(t, server.URL).Send(t.Context(), login("p"))
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != eventapi.Unavailable || e.RetryAfter != time.Second {
		t.Errorf("when the attempts are used up: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = dial(t, server.URL, client.WithRetry(client.DefaultRetry())).Send(ctx, login("p"))
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 20*time.Second {
		t.Errorf("when the context ends: %v after %s", err, took)
	}
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != eventapi.Unavailable {
		t.Errorf("the error does not have the last answer: %v", err)
	}
	server.Close()
	if _, err = dial(t, server.URL).Send(t.Context(), login("p")); err == nil || !strings.Contains(err.Error(), "not reached") {
		t.Errorf("when nothing listens: %v", err)
	}
}

// Many goroutines share as many connections as they need, and keep them.
func TestConnectionsAreKept(t *testing.T) {
	var opened atomic.Int32
	service, err := ingestion.New(ingestion.Config{Store: &store{records: map[uuid.UUID]ingestion.Record{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close(context.Background())
	server := httptest.NewUnstartedServer(service.Handler())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := dial(t, server.URL)
	const senders, each = 32, 50
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for range each {
				if _, err := c.Send(t.Context(), login("p")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	// A dial that is overtaken by a connection come free leaves one more behind.
	if opened.Load() > 2*senders {
		t.Errorf("%d connections were opened for %d senders of %d events", opened.Load(), senders, each)
	}
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	for _, url := range []string{"", "localhost:8080", "ftp://host", "http://", "://"} {
		if _, err := client.New(url); err == nil {
			t.Errorf("New(%q) took it", url)
		}
	}
}

func BenchmarkSend(b *testing.B) {
	_, server := serve(b, nil)
	c := dial(b, server.URL)
	e := login("p")
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Send(context.Background(), e); err != nil {
				b.Error(err)
			}
		}
	})
}
