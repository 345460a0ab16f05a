package ingestion_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// now is the server's clock in these tests.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	id     = "01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b10"
	valid  = `{"eventId":"` + id + `","playerId":"p1","eventType":"login","timestamp":"2026-03-01T11:59:59Z"}`
	noID   = `{"playerId":"p1","eventType":"login","timestamp":"2026-03-01T11:59:59Z"}`
	single = eventapi.EventsPath
	batch  = eventapi.BatchPath
)

// api is a server of the test's own, and the contract its answers are held to.
type api struct {
	*contract
	store  *memory
	url    string
	client *http.Client
	log    *bytes.Buffer // of the server; read it when the server is idle
}

func serve(t *testing.T, c *contract, change func(*ingestion.Config)) *api {
	t.Helper()
	a := &api{contract: c, store: &memory{}, log: &bytes.Buffer{}}
	config := ingestion.Config{
		Store: a.store, Now: func() time.Time { return now }, Deadline: 2 * time.Second,
		Log: slog.New(slog.NewTextHandler(a.log, nil)),
	}
	if change != nil {
		change(&config)
	}
	server, err := ingestion.New(config)
	if err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewServer(server.Handler())
	a.url, a.client = listening.URL, listening.Client()
	t.Cleanup(func() {
		listening.Close()
		server.Close(context.WithoutCancel(t.Context()))
	})
	return a
}

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   string
}

// failure returns the answer's error.
func (a answer) failure(t *testing.T) eventapi.Failure {
	t.Helper()
	var f eventapi.Failure
	if err := json.Unmarshal([]byte(a.body), &f); err != nil || f.Error.Code == "" {
		t.Fatalf("the answer is no failure: %s", a.body)
	}
	return f
}

// send sends one request and holds the answer to the contract.
func (a *api) send(t *testing.T, method, path, body string, header map[string]string) answer {
	t.Helper()
	return a.sendTo(t, method, path, "", body, header)
}

// sendTo is send with a query behind the path.
func (a *api) sendTo(t *testing.T, method, path, query, body string, header map[string]string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, a.url+path+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", eventapi.JSON)
	}
	for name, value := range header {
		if r.Header.Del(name); value != "" {
			r.Header.Set(name, value)
		}
	}
	response, err := a.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if method != http.MethodHead {
		a.check(t, method, path, response.StatusCode, response.Header, got)
	}
	return answer{response.StatusCode, response.Header, string(got)}
}

func packed(t *testing.T, encoding, body string) string {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&out)
	if encoding == "zstd" {
		var err error
		if w, err = zstd.NewWriter(&out); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func with(member, value string) string {
	return fmt.Sprintf(`{%q:%s,%s`, member, value, valid[1:])
}

func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels-1) + "{}" + strings.Repeat("}", levels-1)
}

// TestAPI sends every odd request to which the API defines an answer. At its
// end everything that openapi.json documents has been answered once.
func TestAPI(t *testing.T) {
	c := newContract(t)
	t.Run("events", func(t *testing.T) { testEvents(t, c) })
	t.Run("repeated events", func(t *testing.T) { testRepeatedEvents(t, c) })
	t.Run("idempotency", func(t *testing.T) { testIdempotency(t, c) })
	t.Run("batches", func(t *testing.T) { testBatches(t, c) })
	t.Run("requests", func(t *testing.T) { testRequests(t, c) })
	t.Run("limits", func(t *testing.T) { testLimits(t, c) })
	t.Run("web pages", func(t *testing.T) { testOrigins(t, c) })
	t.Run("origin", func(t *testing.T) { testOrigin(t, c) })
	t.Run("keys", func(t *testing.T) { testKeys(t, c) })
	t.Run("reading", func(t *testing.T) { testReading(t, c) })
	t.Run("store", func(t *testing.T) { testStore(t, c) })
	t.Run("backlog", func(t *testing.T) { testBacklog(t, c) })
	t.Run("operations", func(t *testing.T) { testOperations(t, c) })
	t.Run("slow body", func(t *testing.T) { testSlowBody(t, c) })
	t.Run("panic", func(t *testing.T) { testPanic(t, c) })
	t.Run("schemas", func(t *testing.T) { testSchemas(t, c) })
	c.complete(t)
}

func testEvents(t *testing.T, c *contract) {
	a := serve(t, c, nil)
	tests := []struct {
		name, body   string
		status       int
		field, code  string // the first field error
		failure      eventapi.Code
		contentCoded string // how the body is compressed
	}{
		{name: "the least", body: c.example(t, single, eventapi.JSON, "least"), status: 201},
		{name: "everything", body: c.example(t, single, eventapi.JSON, "full"), status: 201},
		{name: "empty", body: "", status: 400, code: "empty"},
		{name: "not JSON", body: "hello", status: 400, code: "malformed"},
		{name: "an array where an object is due", body: "[" + valid + "]", status: 400, code: "wrong-type"},
		{name: "trailing garbage", body: valid + "}", status: 400, code: "malformed"},
		{name: "NaN", body: `{"metadata":{"n":NaN}}`, status: 400, field: "metadata", code: "malformed"},
		{name: "invalid UTF-8", body: with("metadata", "{\"a\":\"\xff\"}"), status: 400, field: "metadata", code: "invalid-utf8"},
		{name: "a lone surrogate", body: with("metadata", `{"a":"\udfff"}`), status: 400, field: "metadata", code: "invalid-utf8"},
		{name: "a duplicate key", body: with("playerId", `"p2"`), status: 400, field: "playerId", code: "duplicate-key"},
		{name: "a duplicate key in metadata", body: with("metadata", `{"a":1,"a":2}`), status: 400, field: "metadata", code: "duplicate-key"},
		{name: "an unknown field", body: with("user", `"p2"`), status: 400, field: "user", code: "unknown-field"},
		{name: "a wrong type", body: `{"playerId":7}`, status: 400, field: "playerId", code: "wrong-type"},
		{name: "nothing in it", body: `{}`, status: 400, field: "playerId", code: "required"},
		{name: "a bad event type", body: strings.Replace(valid, "login", "log in", 1), status: 400, field: "eventType", code: "invalid-format"},
		{name: "a long player id", body: strings.Replace(valid, "p1", strings.Repeat("p", 129), 1), status: 400, field: "playerId", code: "too-long"},
		{name: "a day long gone", body: strings.Replace(valid, "2026", "1926", 1), status: 400, field: "timestamp", code: "too-old"},
		{name: "a day to come", body: strings.Replace(valid, "2026", "2126", 1), status: 400, field: "timestamp", code: "too-far-ahead"},
		{name: "deep nesting", body: with("metadata", nested(33)), status: 400, field: "metadata", code: "too-deep"},
		{name: "very deep nesting", body: with("metadata", strings.Repeat("[", 30000)+strings.Repeat("]", 30000)), status: 400, field: "metadata", code: "malformed"},
		{name: "large metadata", body: with("metadata", `{"a":"`+strings.Repeat("x", 40000)+`"}`), status: 400, field: "metadata", code: "too-large"},
		{name: "a huge number", body: with("metadata", `{"n":1e131072}`), status: 400, field: "metadata", code: "number-out-of-range"},
		{name: "NUL", body: with("metadata", `{"a":"\u0000"}`), status: 400, field: "metadata", code: "nul-character"},
		{name: "what only the database refuses", body: strings.Replace(valid, "p1", poison, 1), status: 400, code: "unstorable"},
		{name: "a body at the limit", body: valid + strings.Repeat(" ", 64<<10-len(valid)), status: 201},
		{name: "a body over the limit", body: valid + strings.Repeat(" ", 64<<10), status: 413, failure: eventapi.BodyTooLarge},
		{name: "gzip", body: valid, contentCoded: "gzip", status: 201},
		{name: "zstd", body: valid, contentCoded: "zstd", status: 201},
		{name: "a gzip bomb", body: strings.Repeat(" ", 32<<20), contentCoded: "gzip", status: 413, failure: eventapi.BodyTooLarge},
		{name: "a zstd bomb", body: strings.Repeat(" ", 32<<20), contentCoded: "zstd", status: 413, failure: eventapi.BodyTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			header, body := map[string]string{}, test.body
			if test.contentCoded != "" {
				header["Content-Encoding"], body = test.contentCoded, packed(t, test.contentCoded, test.body)
			}
			got := a.send(t, "POST", single, body, header)
			if got.status != test.status {
				t.Fatalf("the answer is %d %s, want %d", got.status, got.body, test.status)
			}
			if got.status == 201 {
				return
			}
			failure := got.failure(t)
			if test.failure != "" {
				if failure.Error.Code != test.failure {
					t.Errorf("the answer is %s, want %s", got.body, test.failure)
				}
				return
			}
			if failure.Error.Code != eventapi.InvalidEvent || failure.Error.Fields[0].Field != test.field || string(failure.Error.Fields[0].Code) != test.code {
				t.Errorf("the answer is %s, want field %q and code %q", got.body, test.field, test.code)
			}
			if strings.Contains(got.body, "Unicode escape") {
				t.Errorf("the answer quotes the database: %s", got.body)
			}
		})
	}
}

func testRepeatedEvents(t *testing.T, c *contract) {
	a := serve(t, c, nil)
	t.Run("all invalid fields at once", func(t *testing.T) {
		got := a.send(t, "POST", single, `{"playerId":7,"eventType":"?","timestamp":"now"}`, nil).failure(t)
		if len(got.Error.Fields) != 3 {
			t.Errorf("the answer names %v, want three fields", got.Error.Fields)
		}
	})
	t.Run("a retry is answered as the first time", func(t *testing.T) {
		before := len(a.store.stored())
		body := strings.Replace(valid, id[:8], "11111111", 1)
		first, again := a.send(t, "POST", single, body, nil), a.send(t, "POST", single, body, nil)
		if first.body != again.body || first.status != again.status || !strings.Contains(first.body, "11111111") {
			t.Errorf("first %d %s, again %d %s", first.status, first.body, again.status, again.body)
		}
		if after := len(a.store.stored()); after != before+1 {
			t.Errorf("%d events were stored, want 1", after-before)
		}
	})
	t.Run("another event under a used id", func(t *testing.T) {
		body := strings.Replace(valid, id[:8], "33333333", 1)
		a.send(t, "POST", single, body, nil)
		got := a.send(t, "POST", single, strings.Replace(body, "login", "logout", 1), nil)
		failure := got.failure(t)
		if got.status != 409 || failure.Error.Code != eventapi.Conflict || len(failure.Error.Fields) != 1 || failure.Error.Fields[0].Field != "eventType" {
			t.Errorf("the answer is %d %s", got.status, got.body)
		}
		if !strings.Contains(a.send(t, "GET", eventapi.MetricsPath, "", nil).body, `gamemetrics_ingestion_events_rejected_total{reason="conflict"} 1`) {
			t.Error("the conflict is not counted")
		}
	})
	t.Run("a test event is stored as one", func(t *testing.T) {
		got := a.send(t, "POST", single, noID, map[string]string{"Gmctl-Test": "run-7"})
		var accepted eventapi.Accepted
		if err := json.Unmarshal([]byte(got.body), &accepted); err != nil {
			t.Fatal(err)
		}
		for _, r := range a.store.stored() {
			if r.EventID.String() == accepted.EventID {
				if r.TestRun != "run-7" || !r.ReceivedAt.Equal(now) {
					t.Errorf("the record is %+v", r)
				}
				return
			}
		}
		t.Errorf("the answer %s is about an event that is not stored", got.body)
	})
}

// A small body that would grow large is given up while it grows.
func TestBombsStaySmall(t *testing.T) {
	server, err := ingestion.New(ingestion.Config{Store: &memory{}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(t.Context())
	for _, encoding := range []string{"gzip", "zstd"} {
		bomb := packed(t, encoding, strings.Repeat(" ", 64<<20))
		r := httptest.NewRequest("POST", batch, strings.NewReader(bomb))
		r.Header.Set("Content-Type", eventapi.JSON)
		r.Header.Set("Content-Encoding", encoding)
		w := httptest.NewRecorder()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		server.Handler().ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; w.Code != http.StatusRequestEntityTooLarge || grown > 24<<20 {
			t.Errorf("a %s bomb of %d bytes was answered %d, and took %d MiB", encoding, len(bomb), w.Code, grown>>20)
		}
	}
}

func testBatches(t *testing.T, c *contract) {
	a := serve(t, c, nil)
	many := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(noID+",", n), ",") + "]" }
	tests := []struct {
		name, media, body            string
		status                       int
		stored, duplicates, rejected int
		failure                      eventapi.Code
		header                       map[string]string
	}{
		{name: "an array", body: c.example(t, batch, eventapi.JSON, "two"), status: 200, stored: 2},
		{name: "NDJSON", media: eventapi.NDJSON, body: c.example(t, batch, eventapi.NDJSON, "two"), status: 200, stored: 2},
		{name: "NDJSON with blank lines and CR", media: eventapi.NDJSON + "; charset=utf-8", body: "\r\n" + noID + "\r\n\n" + noID, status: 200, stored: 2},
		{name: "an event twice", body: "[" + valid + "," + valid + "]", status: 200, stored: 1, duplicates: 1},
		{name: "two events under one id", body: "[" + strings.Replace(valid, id[:8], "44444444", 1) + "," + strings.NewReplacer(id[:8], "44444444", "p1", "p2").Replace(valid) + "]", status: 207, stored: 1, rejected: 1},
		{name: "some invalid", body: `[` + noID + `,{"playerId":7},{"a":},` + noID + `,7]`, status: 207, stored: 2, rejected: 3},
		{name: "all invalid", body: `[{}]`, status: 207, rejected: 1},
		{name: "one that the database refuses", body: "[" + noID + "," + strings.Replace(noID, "p1", poison, 1) + "," + noID + "]", status: 207, stored: 2, rejected: 1},
		{name: "an invalid line", media: eventapi.NDJSON, body: noID + "\n{\"playerId\":\n" + noID, status: 207, stored: 2, rejected: 1},
		{name: "a thousand", body: many(1000), status: 200, stored: 1000},
		{name: "more than a thousand", body: many(1001), status: 413, failure: eventapi.TooManyEvents},
		{name: "more than 1 MiB", body: "[" + strings.Repeat(" ", 1<<20) + "]", status: 413, failure: eventapi.BodyTooLarge},
		{name: "no events", body: "[]", status: 400, failure: eventapi.InvalidBatch},
		{name: "nothing", body: "", status: 400, failure: eventapi.InvalidBatch},
		{name: "no lines", media: eventapi.NDJSON, body: "\n", status: 400, failure: eventapi.InvalidBatch},
		{name: "an object", body: valid, status: 400, failure: eventapi.InvalidBatch},
		{name: "cut off", body: "[" + valid, status: 400, failure: eventapi.InvalidBatch},
		{name: "not gzip", body: "[]", header: map[string]string{"Content-Encoding": "gzip"}, status: 400, failure: eventapi.InvalidEncoding},
		{name: "not zstd", body: "[]", header: map[string]string{"Content-Encoding": "zstd"}, status: 400, failure: eventapi.InvalidEncoding},
		{name: "another encoding", body: "[]", header: map[string]string{"Content-Encoding": "br"}, status: 415, failure: eventapi.UnsupportedEncoding},
		{name: "another type", media: "text/csv", body: "a,b", status: 415, failure: eventapi.UnsupportedMediaType},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			header := map[string]string{"Content-Type": orJSON(test.media)}
			maps.Copy(header, test.header)
			got := a.send(t, "POST", batch, test.body, header)
			if got.status != test.status {
				t.Fatalf("the answer is %d %.300s, want %d", got.status, got.body, test.status)
			}
			if test.failure != "" {
				if failure := got.failure(t); failure.Error.Code != test.failure {
					t.Errorf("the answer is %s, want %s", got.body, test.failure)
				}
				return
			}
			var sum eventapi.BatchAnswer
			if err := json.Unmarshal([]byte(got.body), &sum); err != nil {
				t.Fatal(err)
			}
			if sum.Stored != test.stored || sum.Duplicates != test.duplicates || sum.Rejected != test.rejected ||
				len(sum.Results) != test.stored+test.duplicates+test.rejected {
				t.Errorf("the answer is %.300s, want %d stored, %d duplicates, %d rejected", got.body, test.stored, test.duplicates, test.rejected)
			}
		})
	}
	t.Run("results are in the order of the request", func(t *testing.T) {
		second := strings.Replace(valid, id[:8], "22222222", 1)
		got := a.send(t, "POST", batch, "["+second+",{},"+second+"]", nil)
		var sum eventapi.BatchAnswer
		if err := json.Unmarshal([]byte(got.body), &sum); err != nil {
			t.Fatal(err)
		}
		if r := sum.Results; r[0].Status != eventapi.Stored || r[1].Status != eventapi.Rejected || r[2].Status != eventapi.Duplicate || r[0].EventID != r[2].EventID {
			t.Errorf("the results are %s", got.body)
		}
	})
}

func orJSON(media string) string {
	if media == "" {
		return eventapi.JSON
	}
	return media
}

func testRequests(t *testing.T, c *contract) {
	a := serve(t, c, nil)
	tests := []struct {
		name, method, path string
		header             map[string]string
		status             int
		failure            eventapi.Code
		says               string
	}{
		{name: "no Content-Type", header: map[string]string{"Content-Type": ""}, status: 415, failure: eventapi.UnsupportedMediaType, says: "has no Content-Type; send Content-Type: application/json"},
		{name: "a form", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, status: 415, failure: eventapi.UnsupportedMediaType, says: "application/x-www-form-urlencoded is not taken"},
		{name: "an unreadable Content-Type", header: map[string]string{"Content-Type": "/;;"}, status: 415, failure: eventapi.UnsupportedMediaType, says: "cannot be read"},
		{name: "NDJSON for one event", header: map[string]string{"Content-Type": eventapi.NDJSON}, status: 415, failure: eventapi.UnsupportedMediaType},
		{name: "charset utf-8", header: map[string]string{"Content-Type": "Application/JSON; Charset=UTF-8"}, status: 201},
		{name: "charset latin-1", header: map[string]string{"Content-Type": "application/json; charset=iso-8859-1"}, status: 415, failure: eventapi.UnsupportedMediaType, says: "iso-8859-1"},
		{name: "encoding br", header: map[string]string{"Content-Encoding": "br"}, status: 415, failure: eventapi.UnsupportedEncoding, says: "gzip, zstd"},
		{name: "encoding identity", header: map[string]string{"Content-Encoding": "identity"}, status: 201},
		{name: "a bad test header", header: map[string]string{"Gmctl-Test": "run 7"}, status: 400, failure: eventapi.InvalidHeader, says: "Gmctl-Test"},
		{name: "GET", method: "GET", path: single, status: 405, failure: eventapi.MethodNotAllowed, says: "only POST"},
		{name: "PUT", method: "PUT", path: batch, status: 405, failure: eventapi.MethodNotAllowed},
		{name: "POST /health", method: "POST", path: "/health", status: 405, failure: eventapi.MethodNotAllowed, says: "only GET, HEAD"},
		{name: "HEAD /health", method: "HEAD", path: "/health", status: 200},
		{name: "no such path", method: "GET", path: "/api/v2/events", status: 404, failure: eventapi.NotFound, says: "/openapi.json"},
		{name: "a slash too many", method: "POST", path: single + "/", status: 404, failure: eventapi.NotFound},
		{name: "the root", method: "GET", path: "/", status: 404, failure: eventapi.NotFound},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			method, path := test.method, test.path
			if method == "" {
				method, path = "POST", single
			}
			got := a.send(t, method, path, noID, test.header)
			if got.status != test.status {
				t.Fatalf("the answer is %d %s, want %d", got.status, got.body, test.status)
			}
			if test.failure == "" {
				return
			}
			failure := got.failure(t)
			if failure.Error.Code != test.failure || !strings.Contains(failure.Error.Message, test.says) {
				t.Errorf("the answer is %s, want %s that says %q", got.body, test.failure, test.says)
			}
			if failure.RequestID == "" || failure.RequestID != got.header.Get("X-Request-Id") {
				t.Errorf("the body says request %q, the header %q", failure.RequestID, got.header.Get("X-Request-Id"))
			}
		})
	}
	for given, kept := range map[string]bool{"game-7:req.1": true, "": false, "a b": false, strings.Repeat("x", 129): false} {
		got := a.send(t, "GET", "/health", "", map[string]string{"X-Request-Id": given}).header.Get("X-Request-Id")
		if (got == given) != kept || got == "" {
			t.Errorf("the request id %q became %q", given, got)
		}
	}
	t.Run("a body that ends early", func(t *testing.T) {
		// A client sees no answer when it hangs up, so the handler is asked directly.
		server, err := ingestion.New(ingestion.Config{Store: &memory{}})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close(t.Context())
		r := httptest.NewRequest("POST", single, io.MultiReader(strings.NewReader(valid), errReader{io.ErrUnexpectedEOF}))
		r.Header.Set("Content-Type", eventapi.JSON)
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, r)
		c.check(t, "POST", single, w.Code, w.Result().Header, w.Body.Bytes())
		if w.Code != 400 || !strings.Contains(w.Body.String(), string(eventapi.BodyIncomplete)) {
			t.Errorf("the answer is %d %s", w.Code, w.Body)
		}
	})
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func testStore(t *testing.T, c *contract) {
	a := serve(t, c, func(config *ingestion.Config) {
		config.Deadline = 100 * time.Millisecond
		config.Commit = ingestion.CommitOptions{Writers: 1, MaxQueue: 1, WriteTimeout: 300 * time.Millisecond}
	})
	down := errors.New("password=secret: connection refused")
	for _, path := range []string{single, batch} {
		body := valid
		if path == batch {
			body = "[" + valid + "]"
		}
		a.store.set(down, 0)
		got := a.send(t, "POST", path, body, nil)
		if got.status != 503 || got.failure(t).Error.Code != eventapi.Unavailable || got.header.Get("Retry-After") != "1" {
			t.Errorf("store down: %s answered %d %s", path, got.status, got.body)
		}
		if strings.Contains(got.body, "secret") {
			t.Errorf("the answer quotes the store: %s", got.body)
		}
		a.store.set(nil, time.Minute)
		start := time.Now()
		got = a.send(t, "POST", path, body, nil)
		if took := time.Since(start); got.status != 503 || took > 2*time.Second {
			t.Errorf("store slow: %s answered %d %s after %s", path, got.status, got.body, took)
		}
		if got := a.send(t, "GET", "/health", "", nil); got.status != 200 {
			t.Errorf("liveness is %d while the store is slow", got.status)
		}
	}
	t.Run("a full queue refuses at once", func(t *testing.T) {
		a.store.set(nil, time.Minute)
		answers := make(chan answer, 8)
		for range cap(answers) {
			go func() { answers <- a.send(t, "POST", single, noID, nil) }()
		}
		overloaded := 0
		for range cap(answers) {
			got := <-answers
			if got.status != 503 {
				t.Errorf("the answer is %d %s", got.status, got.body)
			} else if got.failure(t).Error.Code == eventapi.Overloaded {
				overloaded++
			}
		}
		if overloaded < cap(answers)-2 { // one is being written, one waits
			t.Errorf("%d of %d requests were refused early", overloaded, cap(answers))
		}
	})
}

func testOperations(t *testing.T, c *contract) {
	a := serve(t, c, nil)
	if got := a.send(t, "GET", "/ready", "", nil); got.status != 200 || !strings.Contains(got.body, `"postgres","status":"ok"`) {
		t.Errorf("ready is %d %s", got.status, got.body)
	}
	a.store.set(errors.New("nothing listens at 127.0.0.1:5432"), 0)
	if got := a.send(t, "GET", "/ready", "", nil); got.status != 503 || !strings.Contains(got.body, "nothing listens") {
		t.Errorf("ready is %d %s while the store is down", got.status, got.body)
	}
	a.store.set(nil, 0)
	a.send(t, "POST", single, valid, nil)
	a.send(t, "POST", single, valid, nil)
	a.send(t, "POST", single, "{}", nil)
	metrics := a.send(t, "GET", "/metrics", "", nil).body
	for _, want := range []string{
		`gamemetrics_ingestion_http_requests_total{route="/api/v1/events",status="201"} 2`,
		`gamemetrics_ingestion_http_requests_total{route="/api/v1/events",status="400"} 1`,
		`gamemetrics_ingestion_http_request_seconds_count{route="/ready"} 2`,
		`gamemetrics_ingestion_http_requests_in_flight 1`,
		`gamemetrics_ingestion_events_total{result="stored"} 1`,
		`gamemetrics_ingestion_events_total{result="duplicate"} 1`,
		`gamemetrics_ingestion_events_rejected_total{reason="required"} 1`,
		`gamemetrics_ingestion_group_events_count 2`,
		`gamemetrics_ingestion_write_seconds_count{result="ok"} 2`,
		`gamemetrics_ingestion_queued_events 0`,
		`go_goroutines`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	document := a.send(t, "GET", "/openapi.json", "", nil)
	if !json.Valid([]byte(document.body)) || !strings.Contains(document.body, `"openapi": "3.1.0"`) {
		t.Errorf("the document is %.100s", document.body)
	}
}

// A body that stops coming is answered 408 when the connection's read deadline passes.
func testSlowBody(t *testing.T, c *contract) {
	server, err := ingestion.New(ingestion.Config{Store: &memory{}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(t.Context())
	impatient := httptest.NewUnstartedServer(server.Handler())
	impatient.Config.ReadTimeout = 50 * time.Millisecond
	impatient.Start()
	defer impatient.Close()
	a := &api{url: impatient.URL, client: impatient.Client()}
	for _, path := range []string{single, batch} {
		body, stop := io.Pipe()
		r, err := http.NewRequestWithContext(t.Context(), "POST", a.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", eventapi.JSON)
		response, err := a.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(response.Body)
		response.Body.Close()
		stop.Close()
		c.check(t, "POST", path, response.StatusCode, response.Header, got)
		if response.StatusCode != http.StatusRequestTimeout {
			t.Errorf("%s answered a slow body with %d %s", path, response.StatusCode, got)
		}
	}
}

func testPanic(t *testing.T, c *contract) {
	var broken atomic.Bool
	var calls atomic.Int32
	a := serve(t, c, func(config *ingestion.Config) {
		config.Now = func() time.Time {
			if broken.Load() && calls.Add(1)%3 == 2 { // the first call is the measuring one
				panic("the clock is broken")
			}
			return now
		}
	})
	broken.Store(true)
	for _, path := range []string{single, batch} {
		got := a.send(t, "POST", path, "["+valid+"]", nil)
		if got.status != 500 || got.failure(t).Error.Code != eventapi.Internal || strings.Contains(got.body, "clock") {
			t.Errorf("%s answered a panic with %d %s", path, got.status, got.body)
		}
	}
	if log := a.log.String(); !strings.Contains(log, "the clock is broken") {
		t.Errorf("the log does not have the panic: %s", log)
	}
}
