package ingestion_test

import (
	"cmp"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// slowly is a request whose body comes up to some bytes, and goes on when it is let.
type slowly struct {
	answered chan *httptest.ResponseRecorder
	body     *io.PipeWriter
}

// post begins a request with the first bytes of a batch; they are read when it
// returns, if the server takes them.
func post(handler http.Handler, first string) *slowly {
	body, write := io.Pipe()
	s := &slowly{answered: make(chan *httptest.ResponseRecorder, 1), body: write}
	r := httptest.NewRequest(http.MethodPost, batch, body)
	r.Header.Set("Content-Type", eventapi.JSON)
	go func() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		body.CloseWithError(io.ErrClosedPipe)
		s.answered <- w
	}()
	_, _ = io.WriteString(write, first) // what is refused is not read to its end
	return s
}

// end sends the rest of the body and returns the answer.
func (s *slowly) end(rest string) *httptest.ResponseRecorder {
	_, _ = io.WriteString(s.body, rest)
	s.body.Close()
	return <-s.answered
}

// heldBytes is what the metrics say of the bodies on their way.
func heldBytes(t *testing.T, handler http.Handler) int {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, eventapi.MetricsPath, nil))
	found := regexp.MustCompile(`(?m)^gamemetrics_ingestion_body_bytes (\S+)$`).FindStringSubmatch(w.Body.String())
	if found == nil {
		t.Fatal("the metrics do not tell what bodies hold")
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// Who sends much and does not end takes half of what is meant for bodies, and no more:
// further large ones of his are refused, small ones and those of others are not, and
// all is free when they are gone.
func TestBodiesOnTheirWayAreBounded(t *testing.T) {
	c := newContract(t)
	const most = 1 << 20
	server, err := ingestion.New(ingestion.Config{Store: &memory{}, MaxBodies: most, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(t.Context())
	var slow []*slowly
	for _, size := range []int{200, 100, 50, 25, 12, 5} {
		for range 10 {
			slow = append(slow, post(server.Handler(), "["+noID+strings.Repeat(" ", size<<10)))
		}
	}
	if held := heldBytes(t, server.Handler()); held < most/2*9/10 || held > most/2 {
		t.Errorf("slow bodies hold %d bytes, of %d", held, most)
	}
	pad := strings.Repeat(" ", 40<<10)
	for _, test := range []struct {
		path, body, encoding, client string
		status                       int
	}{
		{single, valid, "", "", 201},
		{batch, "[" + valid + "]", "", "", 200},
		{batch, "[" + valid + "]", "gzip", "", 200},
		{single, valid + pad, "", "", 503},
		{batch, "[" + valid + pad + "]", "", "", 503},
		{batch, "[" + valid + pad + "]", "zstd", "", 503},                   // of a few bytes
		{batch, "[" + noID + strings.Repeat(",{}", 999) + "]", "", "", 503}, // what is wrong with all these is long
		{batch, "[" + valid + pad + "]", "", "192.0.2.7:1", 200},            // another client
	} {
		body := test.body
		if test.encoding != "" {
			body = packed(t, test.encoding, body)
		}
		r := httptest.NewRequest(http.MethodPost, test.path, strings.NewReader(body))
		r.Header.Set("Content-Type", eventapi.JSON)
		r.Header.Set("Content-Encoding", test.encoding)
		r.RemoteAddr = cmp.Or(test.client, r.RemoteAddr)
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, r)
		c.check(t, "POST", test.path, w.Code, w.Result().Header, w.Body.Bytes())
		if w.Code != test.status || w.Code == 503 && (!strings.Contains(w.Body.String(), `"code":"overloaded"`) || w.Header().Get("Retry-After") != "1") {
			t.Errorf("%s with %d bytes (%s) is answered %d %.200s", test.path, len(test.body), test.encoding, w.Code, w.Body)
		}
	}
	taken := 0
	for _, s := range slow {
		switch w := s.end("]"); w.Code {
		case http.StatusOK:
			taken++
		case http.StatusServiceUnavailable:
		default:
			t.Errorf("a slow body is answered %d %s", w.Code, w.Body)
		}
	}
	if taken < 2 || taken > 20 {
		t.Errorf("%d of %d slow bodies were taken", taken, len(slow))
	}
	if held := heldBytes(t, server.Handler()); held != 0 {
		t.Errorf("with no body on its way %d bytes are held", held)
	}
}

// A handler that panics gives back what its body held.
func TestAPanicHoldsNoBody(t *testing.T) {
	server, err := ingestion.New(ingestion.Config{Store: &memory{}, Schemas: breaking{}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(t.Context())
	for _, path := range []string{single, batch} {
		body := valid + strings.Repeat(" ", 40<<10)
		if path == batch {
			body = "[" + body + "]"
		}
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", eventapi.JSON)
		w := httptest.NewRecorder()
		if server.Handler().ServeHTTP(w, r); w.Code != http.StatusInternalServerError {
			t.Errorf("%s answered %d %s", path, w.Code, w.Body)
		}
	}
	if held := heldBytes(t, server.Handler()); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
}

// breaking panics.
type breaking struct{}

func (breaking) Check(*event.Event) (schemas.Mode, []event.FieldError, error) { panic("no schema") }
