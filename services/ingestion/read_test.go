package ingestion_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// events returns the path of a player's events.
func events(player string) string {
	return strings.Replace(eventapi.PlayerEventsPath, "{playerId}", url.PathEscape(player), 1)
}

// read returns the events of an answer.
func read(t *testing.T, got answer) eventapi.Events {
	t.Helper()
	var found eventapi.Events
	if err := json.Unmarshal([]byte(got.body), &found); err != nil || got.status != 200 {
		t.Fatalf("the answer is %d %s", got.status, got.body)
	}
	return found
}

// readers are a server that can be read, the keys it knows, and one that knows none.
type readers struct {
	*api
	closed       *api
	chess, other string            // they bring events
	all, ofChess string            // they read
	event        string            // the path of one
	stored       map[string]string // the header it came with
}

func testReading(t *testing.T, c *contract) {
	k := &keys{}
	a := &readers{
		chess: k.add(apikey.Key{Game: "chess"}), other: k.add(apikey.Key{Game: "go"}),
		all:     k.add(apikey.Key{Settings: apikey.Settings{Admin: true}}),
		ofChess: k.add(apikey.Key{Game: "chess", Settings: apikey.Settings{Admin: true, Origins: []string{"https://admin.example"}}}),
		event:   single + "/" + id,
	}
	withReader := func(config *ingestion.Config) { config.Reader = config.Store.(ingestion.Reader) }
	a.closed = serve(t, c, withReader)
	a.api = serve(t, c, func(config *ingestion.Config) { withReader(config); config.Keys = k })
	a.stored = bearer(a.chess)
	a.stored["Gmctl-Test"], a.stored["Sent-At"], a.stored["Gmctl-Traffic"] = "run-7", "2026-03-01T12:00:01Z", "bot"
	a.stored["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	a.send(t, "POST", single, with("metadata", `{"a": "<&>"}`), a.stored)
	for i := range 5 {
		body := strings.Replace(noID, "11:59:59", fmt.Sprintf("11:00:0%d", i), 1)
		a.send(t, "POST", single, strings.Replace(body, "p1", "a/b c", 1), bearer(a.other))
	}
	t.Run("one event", func(t *testing.T) { testReadEvent(t, a) })
	t.Run("a player's", func(t *testing.T) { testReadPlayer(t, a) })
	t.Run("refusals", func(t *testing.T) { testReadRefusals(t, a) })
	t.Run("the store", func(t *testing.T) { testReadStore(t, a) })
	metrics := a.send(t, "GET", "/metrics", "", nil).body
	if want := `http_requests_total{route="/api/v1/events/{eventId}",status="200"}`; !strings.Contains(metrics, want) || strings.Contains(metrics, id) {
		t.Errorf("the metrics lack %s, or have an id", want)
	}
}

func testReadEvent(t *testing.T, a *readers) {
	for _, key := range []string{a.all, a.ofChess} {
		found := read(t, a.send(t, "GET", a.event, "", bearer(key)))
		if len(found.Events) != 1 || found.Next != "" {
			t.Fatalf("there are %+v", found)
		}
		e := found.Events[0]
		if e.EventID.String() != id || string(e.Metadata) != `{"a":"\u003c\u0026\u003e"}` || e.Game != "chess" || e.TestRun != "run-7" ||
			e.Traffic != "bot" || e.TraceParent != a.stored["traceparent"] || !e.SentAt.Equal(now.Add(time.Second)) || !e.ReceivedAt.Equal(now) {
			t.Errorf("the event is %+v", e)
		}
	}
	later := strings.Replace(valid, "11:59:59", "11:59:58", 1)
	a.send(t, "POST", single, later, bearer(a.other))
	if found := read(t, a.send(t, "GET", a.event, "", bearer(a.all))); len(found.Events) != 2 || found.Events[0].Game != "go" {
		t.Errorf("of one id and two timestamps there are %+v", found)
	}
	if found := read(t, a.send(t, "GET", a.event, "", bearer(a.ofChess))); len(found.Events) != 1 {
		t.Errorf("a game sees %+v", found)
	}
}

func testReadPlayer(t *testing.T, a *readers) {
	if found := read(t, a.send(t, "GET", events("a/b c"), "", bearer(a.all))); len(found.Events) != 5 || found.Next != "" {
		t.Errorf("there are %+v", found)
	}
	for _, player := range []string{"a", "a/b", "nobody"} {
		if got := a.send(t, "GET", events(player), "", bearer(a.all)); got.body != "{\"events\":[]}\n" {
			t.Errorf("of %s there is %s", player, got.body)
		}
	}
	if found := read(t, a.send(t, "GET", events("a/b c"), "", bearer(a.ofChess))); len(found.Events) != 0 {
		t.Errorf("another game sees %+v", found)
	}
	var seconds []int
	query := "?limit=2"
	for range 5 {
		page := read(t, a.sendTo(t, "GET", events("a/b c"), query, "", bearer(a.all)))
		for _, e := range page.Events {
			seconds = append(seconds, e.Timestamp.Second())
		}
		if page.Next == "" {
			break
		}
		query = "?limit=2&before=" + url.QueryEscape(page.Next)
	}
	if fmt.Sprint(seconds) != "[4 3 2 1 0]" {
		t.Errorf("in pages of two there are those of %v", seconds)
	}
	if page := read(t, a.sendTo(t, "GET", events("a/b c"), "?before=2026-03-01T12:00:03%2B01:00", "", bearer(a.all))); len(page.Events) != 3 {
		t.Errorf("before a time there are %+v", page)
	}
}

func testReadRefusals(t *testing.T, a *readers) {
	for _, test := range []struct {
		name        string
		on          *api
		path, query string
		header      map[string]string
		status      int
		code        eventapi.Code
	}{
		{"no key", a.api, a.event, "", nil, 401, eventapi.Unauthorized},
		{"no key", a.api, events("p1"), "", nil, 401, eventapi.Unauthorized},
		{"a service without keys", a.closed, a.event, "", nil, 401, eventapi.Unauthorized},
		{"a key that does not exist", a.closed, a.event, "", bearer(a.all), 401, eventapi.Unauthorized},
		{"a key that brings events", a.api, a.event, "", bearer(a.chess), 403, eventapi.Forbidden},
		{"a key that brings events", a.api, events("p1"), "", bearer(a.chess), 403, eventapi.Forbidden},
		{"a page that the key is not for", a.api, a.event, "", map[string]string{"X-Api-Key": a.ofChess, "Origin": "https://play.example"}, 403, eventapi.Forbidden},
		{"an event that is not there", a.api, single + "/01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b11", "", bearer(a.all), 404, eventapi.NotFound},
		{"what is no id", a.api, single + "/x", "", bearer(a.all), 400, eventapi.InvalidParameter},
		{"an id in another form", a.api, single + "/01939f646d3c7bd59c3f2f6d3a1c9b10", "", bearer(a.all), 400, eventapi.InvalidParameter},
		{"no events", a.api, events("p1"), "?limit=0", bearer(a.all), 400, eventapi.InvalidParameter},
		{"too many", a.api, events("p1"), "?limit=501", bearer(a.all), 400, eventapi.InvalidParameter},
		{"a limit that is no number", a.api, events("p1"), "?limit=x", bearer(a.all), 400, eventapi.InvalidParameter},
		{"what is no position", a.api, events("p1"), "?before=x", bearer(a.all), 400, eventapi.InvalidParameter},
		{"half a position", a.api, events("p1"), "?before=2026-03-01T12:00:00Z_", bearer(a.all), 400, eventapi.InvalidParameter},
		{"a time before all", a.api, events("p1"), "?before=0000-01-01T00:00:00Z", bearer(a.all), 400, eventapi.InvalidParameter},
		{"a NUL", a.api, events("\x00"), "", bearer(a.all), 400, eventapi.InvalidParameter},
		{"no UTF-8", a.api, events("\xff"), "", bearer(a.all), 400, eventapi.InvalidParameter},
		{"a long id", a.api, events(strings.Repeat("x", 129)), "", bearer(a.all), 400, eventapi.InvalidParameter},
		{"a blank id", a.api, events(" "), "", bearer(a.all), 400, eventapi.InvalidParameter},
		{"no id", a.api, "/api/v1/players//events", "", bearer(a.all), 404, eventapi.NotFound},
		{"a segment too many", a.api, a.event + "/x", "", bearer(a.all), 404, eventapi.NotFound},
	} {
		got := test.on.sendTo(t, "GET", test.path, test.query, "", test.header)
		if got.status != test.status || got.failure(t).Error.Code != test.code {
			t.Errorf("%s: %s%s is answered %d %s, want %d", test.name, test.path, test.query, got.status, got.body, test.status)
		}
		if got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: a web page may read it", test.name)
		}
	}
	if got := a.send(t, "POST", a.event, valid, bearer(a.all)); got.status != 405 || got.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST is answered %d %s", got.status, got.body)
	}
	if got := serve(t, a.contract, nil).send(t, "GET", a.event, "", nil); got.status != 404 {
		t.Errorf("a service that cannot read answers %d %s", got.status, got.body)
	}
}

func testReadStore(t *testing.T, a *readers) {
	defer a.store.set(nil, 0)
	for _, path := range []string{a.event, events("p1")} {
		a.store.set(errors.New("password=secret: connection refused"), 0)
		if got := a.send(t, "GET", path, "", bearer(a.all)); got.status != 503 || got.header.Get("Retry-After") == "" || strings.Contains(got.body, "secret") {
			t.Errorf("down: %d %s", got.status, got.body)
		}
		a.store.set(errPanic, 0)
		if got := a.send(t, "GET", path, "", bearer(a.all)); got.status != 500 {
			t.Errorf("a panic: %d %s", got.status, got.body)
		}
	}
	a.store.set(nil, 0) // and after both each place is free
	read(t, a.send(t, "GET", a.event, "", bearer(a.all)))
}

// Reads that hang end with the deadline, and leave their places.
func TestReadsWaitForTheirTurn(t *testing.T) {
	a := serve(t, newContract(t), func(config *ingestion.Config) {
		config.Reader, config.OpenHere, config.Deadline = config.Store.(ingestion.Reader), true, 200*time.Millisecond
	})
	a.store.set(nil, time.Minute)
	answers := make(chan answer, 8)
	for range cap(answers) {
		go func() { answers <- a.send(t, "GET", single+"/"+id, "", nil) }()
	}
	for range cap(answers) {
		if got := <-answers; got.status != 503 {
			t.Errorf("the answer is %d %s", got.status, got.body)
		}
	}
	a.store.set(nil, 0)
	if got := a.send(t, "GET", single+"/"+id, "", nil); got.status != 404 {
		t.Errorf("after it the answer is %d %s", got.status, got.body)
	}
}

// Where reading needs no key it is for this machine alone, and for no page whose name
// leads here.
func TestReadingHere(t *testing.T) {
	store := &memory{}
	server, err := ingestion.New(ingestion.Config{Store: store, Reader: store, OpenHere: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(t.Context())
	for _, test := range []struct {
		remote, host string
		status       int
	}{
		{"127.0.0.1:50000", "127.0.0.1:8080", 200},
		{"127.0.0.1:50000", "localhost", 200},
		{"[::1]:50000", "[::1]:8080", 200},
		{"[::1]:50000", "[::1]", 200},
		{"[::ffff:127.0.0.1]:50000", "localhost:8080", 200},
		{"127.0.0.1:50000", "rebound.example:8080", 401},
		{"127.0.0.1:50000", "10.0.0.7", 401},
		{"127.0.0.1:50000", "", 401},
		{"10.0.0.7:50000", "localhost:8080", 401},
		{"", "localhost", 401},
	} {
		r := httptest.NewRequest("GET", events("p1"), nil)
		r.RemoteAddr, r.Host = test.remote, test.host
		w := httptest.NewRecorder()
		if server.Handler().ServeHTTP(w, r); w.Code != test.status {
			t.Errorf("from %s to %s the answer is %d %s", test.remote, test.host, w.Code, w.Body)
		}
	}
}
