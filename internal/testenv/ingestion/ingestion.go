// Package ingestion runs the real ingestion service for tests, over a store in
// memory or any other, behind disturbances if a test wants them.
package ingestion

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/services/ingestion"
)

// Memory is a store in memory. It keeps what it is told in the order it came.
type Memory struct {
	mu      sync.Mutex
	known   map[key]ingestion.Record
	records []ingestion.Record
	down    bool
}

type key struct {
	id uuid.UUID
	at int64
}

var _ ingestion.Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{known: map[key]ingestion.Record{}} }

// Write stores the records that are not there yet.
func (m *Memory) Write(_ context.Context, records []ingestion.Record) ([]ingestion.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return nil, fmt.Errorf("%w: the test took it down", ingestion.ErrUnavailable)
	}
	outcomes := make([]ingestion.Outcome, len(records))
	for i, r := range records {
		k := key{r.EventID, r.Timestamp.UnixMicro()}
		if was, ok := m.known[k]; ok {
			outcomes[i] = ingestion.Conflict(was.PlayerID != r.PlayerID, was.EventType != r.EventType, !bytes.Equal(was.Metadata, r.Metadata))
			continue
		}
		m.known[k] = r
		m.records = append(m.records, r)
	}
	return outcomes, nil
}

// Ping tells whether the store is up.
func (m *Memory) Ping(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return errors.New("the test took it down")
	}
	return nil
}

// SetDown takes the store down, or up again.
func (m *Memory) SetDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// Records returns a copy of what is stored.
func (m *Memory) Records() []ingestion.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]ingestion.Record(nil), m.records...)
}

// Start serves the API over the store until the test ends and returns its base
// URL. disturb, which may be nil, stands before the service.
func Start(t testing.TB, store ingestion.Store, disturb func(http.Handler) http.Handler, configure ...func(*ingestion.Config)) string {
	t.Helper()
	config := ingestion.Config{Store: store}
	for _, set := range configure {
		set(&config)
	}
	service, err := ingestion.New(config)
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
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		service.Close(ctx)
	})
	return server.URL
}
