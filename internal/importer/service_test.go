package importer

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// service is the ingestion service as an import sees it: it stores an id once
// and refuses events of the player "refused".
type service struct {
	mu     sync.Mutex
	stored map[uuid.UUID]event.Event
	order  []event.Event
	calls  int
}

func newService() *service { return &service{stored: map[uuid.UUID]event.Event{}} }

func (s *service) send(_ context.Context, events []event.Event) ([]Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	outcomes := make([]Outcome, len(events))
	for i, e := range events {
		_, known := s.stored[e.EventID]
		switch {
		case e.PlayerID == "refused":
			outcomes[i] = Outcome{Status: Rejected, Fields: []event.FieldError{{Field: "timestamp", Code: event.CodeTooOld, Reason: "is too old"}}}
		case known:
			outcomes[i] = Outcome{Status: Duplicate}
		default:
			outcomes[i] = Outcome{Status: Stored}
			s.stored[e.EventID] = e
			s.order = append(s.order, e)
		}
	}
	return outcomes, nil
}

// players tells how many events of each player are stored.
func (s *service) players() map[string]int {
	count := map[string]int{}
	for _, e := range s.stored {
		count[e.PlayerID]++
	}
	return count
}

func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// importInto returns options to import the file at path into the service, with
// checkpoints of this test's own.
func importInto(t testing.TB, s *service, path string) Options {
	t.Helper()
	return Options{
		Path: path, Send: s.send, Target: "http://127.0.0.1:8080", Rules: event.DefaultRules(), Connections: 2,
		CheckpointDir: filepath.Join(filepath.Dir(path), "checkpoints"), MaxErrors: -1, Now: now, Grace: time.Second,
	}
}

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func line(player string) string {
	return `{"playerId":"` + player + `","eventType":"login","timestamp":"2026-03-01T10:00:00Z"}`
}

func gzipped(t testing.TB, content string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func zstandard(t testing.TB, content string) string {
	t.Helper()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoder.EncodeAll([]byte(content), nil))
}

func rejectsOf(t testing.TB, path string) []Reject {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var rejects []Reject
	for text := range strings.Lines(string(data)) {
		var r Reject
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatalf("reject file: %v: %s", err, text)
		}
		rejects = append(rejects, r)
	}
	return rejects
}
