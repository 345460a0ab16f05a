package service

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/internal/importer"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/ratelimit"
	"github.com/gamemetrics/gmctl/internal/testenv/ingestion"
	"github.com/gamemetrics/gmctl/pkg/event"
	server "github.com/gamemetrics/gmctl/services/ingestion"
)

func login(player string) event.Event {
	now := time.Now()
	return event.Event{EventID: event.NewID(now), PlayerID: player, EventType: "login", Timestamp: now, Metadata: json.RawMessage(`{"sessionId":"0123456789abcdef","level":7,"difficulty":3}`)}
}

// refusing answers 503 to all requests but each n-th.
func refusing(n int64) func(http.Handler) http.Handler {
	var requests atomic.Int64
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1)%n != 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func invalid(player string) event.Event {
	e := login(player)
	e.Timestamp = e.Timestamp.AddDate(-2, 0, 0)
	return e
}

func TestAnImportWaitsForAServiceThatIsAway(t *testing.T) {
	store := ingestion.NewMemory()
	var causes []string
	send, err := ImportSender(Endpoint{URL: ingestion.Start(t, store, refusing(3))}, 1, func(cause error) { causes = append(causes, cause.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	known := login("a")
	for again := range 2 {
		outcomes, err := send(t.Context(), []event.Event{known, invalid("b"), login("c")})
		if err != nil {
			t.Fatal(err)
		}
		want := []importer.Status{importer.Stored, importer.Duplicate}[again]
		if outcomes[0].Status != want || outcomes[1].Status != importer.Rejected || outcomes[2].Status != importer.Stored {
			t.Errorf("%+v", outcomes)
		}
		if fields := outcomes[1].Fields; len(fields) != 1 || fields[0].Code != event.CodeTooOld {
			t.Errorf("the rejected event: %+v", fields)
		}
	}
	if len(causes) != 4 || !strings.Contains(causes[0], "503") || len(store.Records()) != 3 {
		t.Errorf("waited because of %q; %d stored", causes, len(store.Records()))
	}
}

// A history has many events of a player in little time: an import waits for the limit,
// and stores them all in their order.
func TestAnImportKeepsToTheLimitsOfPlayers(t *testing.T) {
	store := ingestion.NewMemory()
	limited := func(config *server.Config) {
		config.Limits = server.Limits{Player: ratelimit.Rate{PerSecond: 2}}
	}
	var causes []string
	send, err := ImportSender(Endpoint{URL: ingestion.Start(t, store, nil, limited)}, 1, func(cause error) { causes = append(causes, cause.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	events := []event.Event{login("a"), login("a"), login("a"), invalid("a"), login("b"), login("a")}
	sent := slices.Clone(events)
	outcomes, err := send(t.Context(), sent)
	if err != nil {
		t.Fatal(err)
	}
	var order []uuid.UUID
	for _, r := range store.Records() {
		if r.PlayerID == "a" {
			order = append(order, r.EventID)
		}
	}
	if want := []uuid.UUID{events[0].EventID, events[1].EventID, events[2].EventID, events[5].EventID}; !slices.Equal(order, want) {
		t.Errorf("stored are %s, want %s", order, want)
	}
	for i, outcome := range outcomes {
		if rejected := outcome.Status == importer.Rejected; rejected != (i == 3) {
			t.Errorf("event %d: %+v", i, outcome)
		}
	}
	if len(causes) == 0 || !strings.Contains(causes[0], "2 events are too many") {
		t.Errorf("waited because of %q", causes)
	}
}

func TestSimulatedEventsTellWhatBecameOfThem(t *testing.T) {
	store := ingestion.NewMemory()
	var retries atomic.Int64
	send, err := DriveSender(Endpoint{URL: ingestion.Start(t, store, refusing(2))}, 1, func() { retries.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		events   []event.Event
		rejected int
	}{
		{[]event.Event{login("a")}, 0},
		{[]event.Event{invalid("a")}, 1},
		{[]event.Event{login("a"), invalid("b"), login("c"), invalid("d")}, 2},
	} {
		rejected, err := send(t.Context(), test.events)
		if err != nil || len(rejected) != test.rejected {
			t.Errorf("%d events: rejected %q, %v", len(test.events), rejected, err)
		}
	}
	if retries.Load() != 3 || len(store.Records()) != 3 {
		t.Errorf("%d retries, %d stored", retries.Load(), len(store.Records()))
	}
}

// Failures of the same kind must count as one reason, whatever differs in their
// text.
func TestReasonsOfFailuresAreFew(t *testing.T) {
	refused, err := DriveSender(Endpoint{URL: "http://127.0.0.1:1"}, 1, func() {})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	reasons := map[string]bool{}
	for range 3 {
		_, err := refused(ctx, []event.Event{login("a")})
		if err == nil {
			t.Fatal("no error")
		}
		reasons[err.Error()] = true
	}
	if len(reasons) > 2 {
		t.Errorf("%v", reasons)
	}
}

func TestExplain(t *testing.T) {
	answering := func(status int, body string) string {
		return ingestion.Start(t, ingestion.NewMemory(), func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			})
		})
	}
	for name, test := range map[string]struct{ url, what, next string }{
		"nothing listens":  {"http://127.0.0.1:1", "nothing listens at", "gmctl up"},
		"another service":  {answering(404, "<html>"), "is not the event API", "--url"},
		"overloaded":       {answering(503, `{"error":{"code":"overloaded","message":"too many"}}`), "cannot store events now", "gmctl status"},
		"no key":           {answering(401, `{"error":{"code":"unauthorized","message":"the request has no API key"}}`), "does not take the API key", "$GMCTL_API_KEY"},
		"internal":         {answering(500, `{"error":{"code":"internal","message":"failed"},"requestId":"r7"}`), "refused the request", "gmctl logs ingestion"},
		"a host not there": {"http://no.such.host.invalid", "", "--url"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Sender(Endpoint{URL: test.url}, "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.Send(t.Context(), login("a"))
			p := problem.From(Explain(err, test.url))
			if p == nil || !strings.Contains(p.What, test.what) || !strings.Contains(p.Next, test.next) || p.Cause == nil {
				t.Errorf("%+v", p)
			}
		})
	}
	if p := problem.From(Explain(context.Canceled, "u")); p.Kind != problem.Cancelled || p.Next == "" {
		t.Errorf("%+v", p)
	}
	if Explain(nil, "u") != nil || !errors.Is(Explain(errors.ErrUnsupported, "u"), errors.ErrUnsupported) {
		t.Error("the cause is lost")
	}
}

// BenchmarkDrive is what one event costs the sender, all of its CPU time
// included: the answering side does next to nothing.
func BenchmarkDrive(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go answer(listener)
	send, err := DriveSender(Endpoint{URL: "http://" + listener.Addr().String()}, 64, func() {})
	if err != nil {
		b.Fatal(err)
	}
	e := login("player-000001")
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := send(context.Background(), []event.Event{e}); err != nil {
				b.Error(err)
			}
		}
	})
}

// answer answers every request it can find the end of with 201.
func answer(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close() // ends when the benchmark's client closes
			reader := bufio.NewReader(conn)
			for {
				length := 0
				for {
					line, err := reader.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) <= 2 {
						break
					}
					_, _ = fmt.Sscanf(string(line), "Content-Length: %d", &length)
				}
				if _, err := reader.Discard(length); err != nil {
					return
				}
				if _, err := conn.Write([]byte("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")); err != nil {
					return
				}
			}
		}()
	}
}
