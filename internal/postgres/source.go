package postgres

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/relay"
)

var (
	//go:embed queries/next.sql
	nextEvents string
	//go:embed queries/identity.sql
	databaseIdentity string
	//go:embed queries/verify.sql
	verifyCursor string
	//go:embed queries/lag.sql
	measureLag string
	//go:embed queries/blocker.sql
	findBlocker string
)

// Source reads the table events in commit order, for the relay.
type Source struct {
	pool   *pgxpool.Pool
	stream string // the table, in relay_lanes
	lag    string // the query that measures it
}

var _ relay.Source = (*Source)(nil)

// sourceSettings make the planner merge the commit-order indexes of the
// partitions, whatever their statistics say: a sort would read every row that
// is not yet published for each batch of them. One plan serves all batches.
func sourceSettings() map[string]string {
	return map[string]string{
		"plan_cache_mode":   "force_generic_plan",
		"enable_seqscan":    "off",
		"enable_bitmapscan": "off",
		"enable_sort":       "off",
	}
}

// NewSource returns a source with connections of its own; Close ends them. It
// connects when it is first used. The error is a *problem.Error.
func NewSource(ctx context.Context, cfg Config) (*Source, error) {
	cfg.settings = sourceSettings()
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 3 // one batch being read, one figure being asked for, the lane being kept
	}
	if cfg.Application == "" {
		cfg.Application = "gmctl relay"
	}
	pool, err := NewPool(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Source{pool: pool}
	s.read(eventStream, "received_at")
	return s, nil
}

// read sets the table, and its column that says since when a row is there.
func (s *Source) read(stream, since string) {
	s.stream = stream
	s.lag = strings.NewReplacer("{stream}", stream, "{since}", since).Replace(measureLag)
}

// Close ends the source's connections.
func (s *Source) Close() { s.pool.Close() }

// Next implements relay.Source, for all events, whatever their layouts say.
func (s *Source) Next(ctx context.Context, from relay.Database, after relay.Position, limit int, take func(*relay.Event) bool) (relay.Reach, error) {
	return relay.Reach{}, s.events(ctx, take, nextEvents, readOn(from, after, limit, noLayout)...)
}

// readOn are the arguments of a statement that reads on: the first five of each, so that
// none leaves out which history it is to be, and then its own.
func readOn(from relay.Database, after relay.Position, limit int, own ...any) []any {
	return append([]any{after.Xid, after.Seq, limit, int64(from.SystemIdentifier), int64(from.Timeline)}, own...)
}

// events gives take the events of a query.
func (s *Source) events(ctx context.Context, take func(*relay.Event) bool, query string, args ...any) error {
	rows, err := s.pool.Query(ctx, query, append([]any{binaryFormat(eventColumns)}, args...)...)
	if err != nil {
		return s.explain(err)
	}
	defer rows.Close()
	var e relay.Event
	var decode eventRows
	for rows.Next() {
		if err := decode.event(rows.RawValues(), &e); err != nil {
			return s.explain(err)
		}
		if !take(&e) {
			break
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return s.explain(err)
	}
	return nil
}

// optional are the columns of an event that may be NULL, as they are scanned.
type optional struct {
	metadata                      []byte
	testRun, game, traffic, trace *string
	sent                          *time.Time
}

func (o *optional) origin() event.Origin {
	return event.Origin{Game: orZero(o.game), SentAt: orZero(o.sent).UTC(), Traffic: event.Traffic(orZero(o.traffic))}
}

// orZero is the zero value for NULL.
func orZero[T any](value *T) (zero T) {
	if value == nil {
		return zero
	}
	return *value
}

// compact removes the spaces that PostgreSQL writes between the tokens of a
// jsonb value, in place.
func compact(text []byte) json.RawMessage {
	if text == nil {
		return nil
	}
	return appendCompact(text[:0], text)
}

// appendCompact appends the text of a jsonb value without the spaces between its
// tokens to kept, which may begin where text does.
func appendCompact(kept, text []byte) []byte {
	end := len(kept)
	kept = slices.Grow(kept, len(text))[:end+len(text)]
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == ' ' && !quoted {
			continue
		}
		kept[end] = c
		end++
		switch {
		case c == '"':
			quoted = !quoted
		case c == '\\' && i+1 < len(text): // what follows ends no string
			i++
			kept[end] = text[i]
			end++
		}
	}
	return kept[:end]
}

// Database implements relay.Source.
func (s *Source) Database(ctx context.Context) (relay.Database, error) {
	var id string
	var madeOn, now struct{ system, oid int64 }
	var timeline int64
	var start relay.Position
	var clock time.Time
	err := s.pool.QueryRow(ctx, databaseIdentity).Scan(&id, &madeOn.system, &madeOn.oid, &now.system, &now.oid, &timeline, &start.Xid, &start.Seq, &clock)
	if err != nil {
		return relay.Database{}, s.explain(err)
	}
	if madeOn != now {
		return relay.Database{}, &problem.Error{
			What: "the database is a copy (of a dump, a template or an upgrade): its transaction ids do not go on where those of the published events ended",
			Cause: fmt.Errorf("%w: made on system %d, database %d; now on system %d, database %d",
				relay.ErrHistory, uint64(madeOn.system), madeOn.oid, uint64(now.system), now.oid),
			Next: adoptHint,
		}
	}
	return relay.Database{ID: id, SystemIdentifier: uint64(now.system), Timeline: uint32(timeline), Start: start, Now: clock}, nil
}

const adoptHint = "decide what to publish: gmctl serve relay --adopt all (everything stored, again) or --adopt new (only what is stored from now on)"

// Verify implements relay.Source. A cursor can be gone on from if this is the server that
// it was written on, the next transaction id lies behind it, and its event is there or
// known to be deleted. Where it has no event, because a layout or an adoption begins
// there, that is asked of another timeline alone.
func (s *Source) Verify(ctx context.Context, cursor relay.Cursor) error {
	database, err := s.Database(ctx)
	if err != nil {
		return err
	}
	var next uint64
	var present bool
	event := &cursor.EventID
	if *event == "" {
		event = nil
	}
	if err := s.pool.QueryRow(ctx, verifyCursor, cursor.Xid, cursor.Seq, event, s.stream).Scan(&next, &present); err != nil {
		return s.explain(err)
	}
	remedy := adoptHint
	switch {
	case database.SystemIdentifier != cursor.SystemIdentifier:
		err = fmt.Errorf("%w: published from system %d, this is %d", relay.ErrHistory, cursor.SystemIdentifier, database.SystemIdentifier)
	case next <= cursor.Xid:
		err = fmt.Errorf("%w: published up to transaction %d, the next one is %d", relay.ErrHistory, cursor.Xid, next)
	case present || event == nil && database.Timeline == cursor.Timeline:
		return nil
	case event == nil:
		err = fmt.Errorf("%w: what begins at %s was begun on timeline %d, and is missing on timeline %d",
			relay.ErrHistory, cursor.Position, cursor.Timeline, database.Timeline)
	default:
		err = fmt.Errorf("%w: event %s at %s was published last, on timeline %d, and is missing on timeline %d",
			relay.ErrHistory, cursor.EventID, cursor.Position, cursor.Timeline, database.Timeline)
		remedy = fmt.Sprintf("if someone has deleted that event by hand, say so: INSERT INTO erased_events VALUES ('%d', %d, '%s'); else %s",
			cursor.Xid, cursor.Seq, cursor.EventID, adoptHint)
	}
	return &problem.Error{What: "the database was set back behind what is published (restored from a backup or a snapshot, or failed over with a loss)", Cause: err, Next: remedy}
}

// blockerAfter is how old an unpublished event is when the question is asked
// what holds it back.
const blockerAfter = time.Second

// Lag implements relay.Source.
func (s *Source) Lag(ctx context.Context, after relay.Position) (relay.Lag, error) {
	var lag relay.Lag
	var seconds float64
	var held bool
	if err := s.pool.QueryRow(ctx, s.lag, after.Xid, after.Seq, relay.LagCounted).Scan(&lag.Events, &lag.Estimated, &seconds, &held); err != nil {
		return relay.Lag{}, s.explain(err)
	}
	lag.Age = time.Duration(max(seconds, 0) * float64(time.Second))
	if !held || lag.Age < blockerAfter {
		return lag, nil
	}
	if err := s.pool.QueryRow(ctx, findBlocker).Scan(&lag.Blocker, &lag.Unblock); err != nil {
		return lag, s.explain(err)
	}
	return lag, nil
}

func (s *Source) explain(err error) error {
	if serverLeft(err) {
		s.pool.Reset()
	}
	return Explain(err, s.pool.Config().ConnString())
}
