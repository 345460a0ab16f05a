package ingestion_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/services/ingestion"
)

// poison in a player id makes memory refuse the record's data.
const poison = "poison"

// memory is a Store that keeps its promise as long as the process lives, and
// fails the way PostgreSQL does when told to.
type memory struct {
	mu      sync.Mutex
	records map[key]ingestion.Record
	writes  [][]ingestion.Record // the successful ones
	tries   int
	down    error
	full    error         // fails writes, and no ping
	delay   time.Duration // of each write; it ends early when the context does
}

type key struct {
	id uuid.UUID
	at int64
}

var _ ingestion.Store = (*memory)(nil)

func (m *memory) Write(ctx context.Context, records []ingestion.Record) ([]ingestion.Outcome, error) {
	m.mu.Lock()
	delay, down := m.delay, errors.Join(m.down, m.full)
	m.tries++
	m.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if down != nil {
		return nil, down
	}
	for _, r := range records {
		if strings.Contains(r.PlayerID, poison) {
			return nil, errors.Join(ingestion.ErrUnstorable, errors.New("unsupported Unicode escape sequence"))
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		m.records = map[key]ingestion.Record{}
	}
	m.writes = append(m.writes, records)
	outcomes := make([]ingestion.Outcome, len(records))
	for i, r := range records {
		k := key{r.EventID, r.Timestamp.UnixMicro()}
		if was, ok := m.records[k]; ok {
			outcomes[i] = ingestion.Conflict(was.PlayerID != r.PlayerID, was.EventType != r.EventType, string(was.Metadata) != string(r.Metadata))
			continue
		}
		m.records[k] = r
	}
	return outcomes, nil
}

func (m *memory) Ping(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.down
}

func (m *memory) set(down error, delay time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down, m.delay = down, delay
}

// fill has the store refuse every write while it answers pings; nil: no more.
func (m *memory) fill(full error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

func (m *memory) stored() []ingestion.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []ingestion.Record
	for _, r := range m.records {
		all = append(all, r)
	}
	return all
}
