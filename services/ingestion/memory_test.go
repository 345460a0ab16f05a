package ingestion_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/services/ingestion"
)

// poison in a player id makes memory refuse the record's data.
const poison = "poison"

// errPanic, where memory is set down with it, has it panic when it is read.
var errPanic = errors.New("the reader panics")

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

var _ ingestion.Reader = (*memory)(nil)

func (m *memory) Event(ctx context.Context, game string, id uuid.UUID) ([]ingestion.Record, error) {
	found, err := m.find(ctx, func(r ingestion.Record) bool { return r.EventID == id && (game == "" || r.Game == game) })
	slices.Reverse(found)
	return found, err
}

func (m *memory) PlayerEvents(ctx context.Context, game, player string, before ingestion.Position, limit int) ([]ingestion.Record, error) {
	found, err := m.find(ctx, func(r ingestion.Record) bool {
		earlier := r.Timestamp.Compare(before.Timestamp)
		if earlier == 0 {
			earlier = bytes.Compare(r.EventID[:], before.EventID[:])
		}
		return r.PlayerID == player && (game == "" || r.Game == game) && (before == ingestion.Position{} || earlier < 0)
	})
	return found[:min(limit, len(found))], err
}

// find returns the records that match, the latest first.
func (m *memory) find(ctx context.Context, match func(ingestion.Record) bool) ([]ingestion.Record, error) {
	m.mu.Lock()
	delay, down := m.delay, m.down
	m.mu.Unlock()
	if errors.Is(down, errPanic) {
		panic(errPanic)
	}
	if delay > 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if down != nil {
		return nil, down
	}
	found := slices.DeleteFunc(m.stored(), func(r ingestion.Record) bool { return !match(r) })
	slices.SortFunc(found, func(a, b ingestion.Record) int {
		return cmp.Or(b.Timestamp.Compare(a.Timestamp), bytes.Compare(b.EventID[:], a.EventID[:]))
	})
	return found, nil
}
