package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/tracing"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

//go:embed queries/insert.sql
var insertEvents string

// Store is the event store of ingestion. All its methods may be called at once.
type Store struct {
	pool *pgxpool.Pool
	days knownDays
	wake func()

	buffers    buffers
	duplicates crowd
}

var _ ingestion.Store = (*Store)(nil)

// NewStore returns a store over the pool, whose schema Migrate has made. wake,
// which may be nil, is called after a write that stored something new: a relay
// in the same process then need not wait for its next poll.
func NewStore(pool *pgxpool.Pool, wake func()) *Store {
	if wake == nil {
		wake = func() {}
	}
	return &Store{pool: pool, wake: wake}
}

// keepers is how many keep the database of ingestion in shape, or look at it, again and
// again: Maintain, Retain, KeepOutboxShort, and who reads the Schemas.
const keepers = 4

// Connections returns how many connections ingestion works with at the same time at most,
// where so many writers have one each: with fewer, others would take theirs.
func Connections(writers int) int32 { return int32(writers + ingestion.CallsAtOnce + keepers) }

// attempts is how often a write that lost against another one is tried.
const attempts = 3

// Write stores the records in one statement, which is one transaction.
func (s *Store) Write(ctx context.Context, records []ingestion.Record) ([]ingestion.Outcome, error) {
	if len(records) == 0 {
		return nil, nil
	}
	if err := s.ensureDays(ctx, records); err != nil {
		return nil, s.refusal(err)
	}
	for attempt := 1; ; attempt++ {
		outcomes, err := s.write(ctx, records)
		switch {
		case err == nil:
			return outcomes, nil
		case attempt == attempts:
			return nil, s.refusal(err)
		case noPartition(err): // dropped since it was last seen
			s.days.forget()
			if err := s.ensureDays(ctx, records); err != nil {
				return nil, s.refusal(err)
			}
		case collided(err):
		default:
			return nil, s.refusal(err)
		}
	}
}

// write stores the records that are not there yet. Where duplicates come, as they do
// in crowds, it looks first which those are: what is there needs no transaction.
func (s *Store) write(ctx context.Context, records []ingestion.Record) ([]ingestion.Outcome, error) {
	outcomes := make([]ingestion.Outcome, len(records)) // Stored is the zero Outcome
	missing := records
	if s.duplicates.expected() {
		found, err := s.compare(ctx, records, outcomes)
		if err != nil {
			return nil, err
		}
		if found > 0 {
			s.duplicates.seen()
			missing = unfound(records, outcomes)
		}
	}
	if len(missing) == 0 {
		return outcomes, nil
	}
	added, err := s.add(ctx, missing)
	if err != nil {
		return nil, err // what is stored stays so; a next try finds it
	}
	next := 0
	for i := range outcomes {
		if outcomes[i] == ingestion.Stored {
			outcomes[i], next = added[next], next+1
		}
	}
	return outcomes, nil
}

// unfound returns the records without those that have an outcome.
func unfound(records []ingestion.Record, outcomes []ingestion.Outcome) []ingestion.Record {
	var left []ingestion.Record
	for i := range records {
		if outcomes[i] == ingestion.Stored {
			left = append(left, records[i])
		}
	}
	return left
}

// add copies the records in, which takes two thirds of the time, and where that
// finds one of them there already, inserts those that are not.
func (s *Store) add(ctx context.Context, records []ingestion.Record) ([]ingestion.Outcome, error) {
	err := s.copyIn(ctx, records)
	if err == nil {
		s.wake()
		return make([]ingestion.Outcome, len(records)), nil
	}
	if !duplicateKey(err) && !collided(err) {
		return nil, err
	}
	s.duplicates.seen()
	fresh, err := s.insert(ctx, columnsOf(records))
	if err != nil {
		return nil, err
	}
	outcomes := s.outcomes(records, fresh)
	return outcomes, s.compareDuplicates(ctx, records, outcomes)
}

// columns are records turned for unnest: one slice a column.
type columns struct {
	ids                  []uuid.UUID
	players, types       []string
	timestamps, received []time.Time
	metadata             [][]byte
	testRuns, games      []*string
	sent                 []*time.Time
	traffic, traces      []*string
}

func columnsOf(records []ingestion.Record) *columns {
	n := len(records)
	c := &columns{
		ids: make([]uuid.UUID, n), players: make([]string, n), types: make([]string, n),
		timestamps: make([]time.Time, n), received: make([]time.Time, n),
		metadata: make([][]byte, n), testRuns: make([]*string, n), games: make([]*string, n),
		sent: make([]*time.Time, n), traffic: make([]*string, n), traces: make([]*string, n),
	}
	for i := range records {
		r := &records[i]
		c.ids[i], c.players[i], c.types[i] = r.EventID, r.PlayerID, r.EventType
		c.timestamps[i], c.received[i], c.metadata[i] = r.Timestamp, r.ReceivedAt, r.Metadata
		c.testRuns[i], c.games[i] = orNull(&r.TestRun), orNull(&r.Game)
		c.traffic[i], c.traces[i] = orNull((*string)(&r.Traffic)), orNull(&r.TraceParent)
		c.sent[i] = orNull(&r.SentAt)
	}
	return c
}

// orNull is nil for a zero value, which is NULL.
func orNull[T comparable](value *T) *T {
	var zero T
	if *value == zero {
		return nil
	}
	return value
}

// key is the primary key of an event. PostgreSQL keeps whole microseconds.
type key struct {
	id     uuid.UUID
	micros int64
}

// insert returns the keys of the rows that were new.
func (s *Store) insert(ctx context.Context, c *columns) (_ []key, err error) {
	ctx, span := tracing.Database(ctx, "INSERT", "events", len(c.ids))
	defer func() { tracing.End(span, err) }()
	rows, err := s.pool.Query(ctx, insertEvents, c.ids, c.players, c.types, c.timestamps, c.metadata, c.received, c.testRuns,
		c.games, c.sent, c.traffic, c.traces)
	if err != nil {
		return nil, err
	}
	fresh := make([]key, 0, len(c.ids))
	var id uuid.UUID
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		fresh = append(fresh, key{id, at.UnixMicro()})
		return nil
	})
	return fresh, err
}

func (s *Store) outcomes(records []ingestion.Record, fresh []key) []ingestion.Outcome {
	outcomes := make([]ingestion.Outcome, len(records)) // Stored is the zero Outcome
	if len(fresh) > 0 {
		s.wake()
	}
	if len(fresh) == len(records) {
		return outcomes
	}
	isFresh := make(map[key]bool, len(fresh))
	for _, k := range fresh {
		isFresh[k] = true
	}
	for i := range records {
		k := key{records[i].EventID, records[i].Timestamp.UnixMicro()}
		if !isFresh[k] {
			outcomes[i] = ingestion.Duplicate
		}
		delete(isFresh, k) // a second record with this key is a duplicate of the first
	}
	return outcomes
}

func (s *Store) ensureDays(ctx context.Context, records []ingestion.Record) error {
	missing := s.days.unknown(records)
	if len(missing) == 0 {
		return nil
	}
	if err := EnsurePartitions(ctx, s.pool, missing); err != nil {
		return err
	}
	s.days.add(missing)
	return nil
}

// refusal marks err with what it means to ingestion, and lets go of connections
// that lead to a server that has left.
func (s *Store) refusal(err error) error {
	if inData(err) {
		return fmt.Errorf("%w: %w", ingestion.ErrUnstorable, err)
	}
	if serverLeft(err) {
		s.pool.Reset()
	}
	return fmt.Errorf("%w: %w", ingestion.ErrUnavailable, Explain(err, s.pool.Config().ConnString()))
}

// Ping tells whether the store can take writes now.
func (s *Store) Ping(ctx context.Context) error {
	var readOnly, migrated bool
	err := s.pool.QueryRow(ctx, "SELECT current_setting('transaction_read_only')::boolean, to_regclass('events') IS NOT NULL").Scan(&readOnly, &migrated)
	switch {
	case err != nil:
		return s.refusal(err)
	case readOnly:
		s.pool.Reset()
		return fmt.Errorf("%w: PostgreSQL is read-only: it is a standby", ingestion.ErrUnavailable)
	case !migrated:
		return fmt.Errorf("%w: the database has no table events", ingestion.ErrUnavailable)
	}
	return nil
}

// Maintain makes the partitions of the coming days, now and once an hour, until
// ctx ends. A failure is told to report and tried again; the write path makes
// what is missing by itself.
func (s *Store) Maintain(ctx context.Context, report func(error)) {
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for {
		ahead := daysAhead(time.Now(), PartitionsAhead)
		if err := EnsurePartitions(ctx, s.pool, ahead); err == nil {
			s.days.add(ahead)
		} else if !errors.Is(err, context.Canceled) {
			report(Explain(err, s.pool.Config().ConnString()))
		}
		select {
		case <-ctx.Done():
			return
		case <-hourly.C:
		}
	}
}
