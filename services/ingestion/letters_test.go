package ingestion_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// mailbox keeps letters in memory.
type mailbox struct {
	mu      sync.Mutex
	letters []ingestion.Letter
	down    error
}

func (m *mailbox) Keep(_ context.Context, letters []ingestion.Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down == nil {
		m.letters = append(m.letters, letters...)
	}
	return m.down
}

// demanding breaks on every event of type login that has no level.
type demanding struct {
	mode schemas.Mode
	err  error
}

func (d demanding) Check(e *event.Event) (schemas.Mode, []event.FieldError, error) {
	if d.err != nil || e.EventType != "login" || strings.Contains(string(e.Metadata), "level") {
		return d.mode, nil, d.err
	}
	return d.mode, []event.FieldError{{Field: "metadata.level", Code: event.CodeSchema, Reason: "is required by the schema of its event type"}}, nil
}

func testSchemas(t *testing.T, c *contract) {
	for _, test := range []struct {
		schema, server schemas.Mode
		status         int
		breaches       string
	}{
		{schemas.Strict, "", 400, `mode="strict",type="login"} 1`},
		{schemas.Report, "", 201, `mode="report",type="login"} 1`},
		{schemas.Strict, schemas.Report, 201, `mode="report",type="login"} 1`},
		{schemas.Strict, schemas.Off, 201, ""},
	} {
		a := serve(t, c, func(config *ingestion.Config) {
			config.Schemas, config.SchemaMode = demanding{mode: test.schema}, test.server
		})
		got := a.send(t, "POST", single, valid, nil)
		if got.status != test.status {
			t.Errorf("%+v: %d %s", test, got.status, got.body)
		}
		if test.status == 400 {
			if f := got.failure(t).Error.Fields; len(f) != 1 || f[0].Field != "metadata.level" || f[0].Code != event.CodeSchema {
				t.Errorf("%+v: %s", test, got.body)
			}
		}
		metrics := a.send(t, "GET", "/metrics", "", nil).body
		if has := strings.Contains(metrics, "schema_breaches_total{"); has != (test.breaches != "") || !strings.Contains(metrics, test.breaches) {
			t.Errorf("%+v: the metrics do not say %s", test, test.breaches)
		}
	}
	a := serve(t, c, func(config *ingestion.Config) { config.Schemas = demanding{err: schemas.ErrNotLoaded} })
	for path, body := range map[string]string{single: valid, batch: "[" + valid + "]"} {
		if got := a.send(t, "POST", path, body, nil); got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("before the schemas are read: %d %s", got.status, got.body)
		}
	}
}

func TestRejectedEventsAreKept(t *testing.T) {
	box := &mailbox{}
	a := serve(t, newContract(t), func(config *ingestion.Config) {
		config.Letters, config.DeadLetters, config.Schemas = box, true, demanding{mode: schemas.Strict}
	})
	const level = `,"metadata":{"level":1}`
	good := strings.Replace(valid, `"}`, `"`+level+"}", 1)
	wrong := `{"playerId":"p9","eventId":7}`
	if got := a.send(t, "POST", single, wrong, nil); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := a.send(t, "POST", single, "no \xff event", map[string]string{eventapi.TestHeader: "run-1"}); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := a.send(t, "POST", batch, "["+good+","+noID+","+strings.ReplaceAll(good, "p1", poison)+"]", nil); got.status != 207 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := a.send(t, "POST", single, wrong, map[string]string{eventapi.ReplayHeader: "0/1"}); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
	want := []ingestion.Letter{
		{Body: []byte(wrong), Player: "p9", Reason: "required"},
		{Body: []byte("no \xff event"), TestRun: "run-1"},
		{Body: []byte(noID), Player: "p1", Reason: "schema"},
		{Player: poison, EventID: id, Reason: "unstorable"},
	}
	if len(box.letters) != len(want) {
		t.Fatalf("%d letters, want %d: %+v", len(box.letters), len(want), box.letters)
	}
	for i, got := range box.letters {
		if got.Player != want[i].Player || got.TestRun != want[i].TestRun || got.Detail == "" || got.Reason == "" ||
			want[i].Body != nil && string(got.Body) != string(want[i].Body) || want[i].Reason == "unstorable" && got.Reason != "unstorable" || want[i].Reason == "schema" && got.Reason != "schema" {
			t.Errorf("letter %d: %+v, want %+v", i, got, want[i])
		}
	}
	if !json.Valid(box.letters[3].Body) || !strings.Contains(string(box.letters[3].Body), poison) {
		t.Errorf("the unstorable event is %s", box.letters[3].Body)
	}
	// What cannot be kept is not rejected yet: the client sends it again.
	box.down = errors.New("away")
	for path, body := range map[string]string{single: wrong, batch: "[" + wrong + "]"} {
		if got := a.send(t, "POST", path, body, nil); got.status != 503 {
			t.Errorf("without a mailbox: %d %s", got.status, got.body)
		}
	}
	if metrics := a.send(t, "GET", "/metrics", "", nil).body; !strings.Contains(metrics, "gamemetrics_ingestion_dead_letters_total 4") {
		t.Error("the metrics do not count the letters")
	}
}

func TestALargeLetterIsCut(t *testing.T) {
	box := &mailbox{}
	a := serve(t, newContract(t), func(config *ingestion.Config) { config.Letters, config.DeadLetters = box, true })
	large := `{"playerId":"p","x":"` + strings.Repeat("y", 600<<10) + `"}`
	if got := a.send(t, "POST", batch, "["+large+"]", nil); got.status != 207 || len(box.letters) != 1 || len(box.letters[0].Body) != ingestion.MaxLetter {
		t.Errorf("%d, %d letters", got.status, len(box.letters))
	}
}

// A key decides for its own events, within what the server allows.
func TestAKeyDecidesWhatIsRejectedAndKept(t *testing.T) {
	table, box := &keys{}, &mailbox{}
	strict := table.add(apikey.Key{Settings: apikey.Settings{SchemaMode: schemas.Strict, DeadLetters: true}})
	lax := table.add(apikey.Key{Settings: apikey.Settings{SchemaMode: schemas.Off}})
	for _, test := range []struct {
		key     string
		server  schemas.Mode
		status  int
		letters int
	}{
		{strict, schemas.Strict, 400, 1},
		{strict, schemas.Report, 201, 0},
		{lax, schemas.Strict, 201, 0},
	} {
		box.letters = nil
		a := guarded(t, newContract(t), table, func(config *ingestion.Config) {
			config.Letters, config.DeadLetters, config.Schemas, config.SchemaMode = box, true, demanding{mode: schemas.Strict}, test.server
		})
		bearer := map[string]string{"Authorization": "Bearer " + test.key}
		if got := a.send(t, "POST", single, valid, bearer); got.status != test.status || len(box.letters) != test.letters {
			t.Errorf("%+v: %d %s, %d letters", test, got.status, got.body, len(box.letters))
		}
		if test.key == lax {
			if got := a.send(t, "POST", single, "{}", bearer); got.status != 400 || len(box.letters) != 0 {
				t.Errorf("a key without dead letters: %d, %d letters", got.status, len(box.letters))
			}
		}
	}
}
