package postgres

import (
	"context"
	_ "embed"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

var (
	//go:embed queries/outbox_next.sql
	nextOfOutbox string
	//go:embed queries/outbox_insert.sql
	insertIntoOutbox string
	//go:embed queries/outbox_beyond.sql
	outboxBeyond string
)

// OutboxLane is the lane on which the outbox is published.
const OutboxLane = "outbox"

// OutboxTopics are those that the records of the outbox go to.
func OutboxTopics() []string { return []string{topics.DeadLetter, topics.Erasures} }

// Outbox reads the table outbox in commit order, for a relay on OutboxLane: records
// that are no stored events.
type Outbox struct{ *Source }

var _ relay.Source = (*Outbox)(nil)

// NewOutbox returns the outbox with connections of its own; Close ends them. The
// error is a *problem.Error.
func NewOutbox(ctx context.Context, cfg Config) (*Outbox, error) {
	if cfg.Application == "" {
		cfg.Application = "gmctl relay outbox"
	}
	source, err := NewSource(ctx, cfg)
	if err != nil {
		return nil, err
	}
	source.read(outboxStream, "created_at")
	return &Outbox{source}, nil
}

// Next implements relay.Source.
func (o *Outbox) Next(ctx context.Context, from relay.Database, after relay.Position, limit int, take func(*relay.Event) bool) (relay.Reach, error) {
	rows, err := o.pool.Query(ctx, nextOfOutbox, readOn(from, after, limit)...)
	if err != nil {
		return relay.Reach{}, o.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		e := relay.Event{Record: &kgo.Record{}}
		var headers []string
		if err := rows.Scan(&e.Xid, &e.Seq, &e.EventID, &e.Record.Topic, &e.PlayerID, &e.Record.Value, &headers, &e.Record.Timestamp); err != nil {
			return relay.Reach{}, o.explain(err)
		}
		if e.PlayerID != "" {
			e.Record.Key = []byte(e.PlayerID)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			e.Record.Headers = append(e.Record.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
		}
		if !take(&e) {
			break
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return relay.Reach{}, o.explain(err)
	}
	return relay.Reach{}, nil
}

// How long rejected events stay in the outbox once they are published: as long as in
// Kafka, and no longer than newer ones take so many bytes.
const (
	OutboxKept  = 30 * 24 * time.Hour
	OutboxBytes = 1 << 30
)

// pruned is how many rows one statement deletes at most: it holds their locks.
const pruned = 1000

// PruneOutbox deletes the published rejected events that are older than OutboxKept by
// the database's clock.
func PruneOutbox(ctx context.Context, pool *Pool) error {
	now, err := clockOf(ctx, pool)
	if err != nil {
		return Explain(err, pool.Config().ConnString())
	}
	return pruneOutbox(ctx, pool, now.Add(-OutboxKept))
}

// ShrinkOutbox deletes the oldest of the published rejected events until those left
// take about most bytes. It looks at them only where the table's files are larger than
// that and than they were, and returns how large they are: room that is free in them is
// used again.
func ShrinkOutbox(ctx context.Context, pool *Pool, most, were int64) (are int64, err error) {
	if err := scanRow(ctx, pool, &are, "SELECT pg_total_relation_size('outbox')"); err != nil {
		return were, Explain(err, pool.Config().ConnString())
	}
	if are <= max(most, were) {
		return are, nil
	}
	var beyond *time.Time
	if err := scanRow(ctx, pool, &beyond, outboxBeyond, most); err != nil {
		return were, Explain(err, pool.Config().ConnString())
	}
	if beyond == nil {
		return are, nil
	}
	if err := pruneOutbox(ctx, pool, *beyond); err != nil {
		return were, err
	}
	return are, nil
}

func pruneOutbox(ctx context.Context, pool *Pool, before time.Time) error {
	for {
		var deleted int64
		if err := scanRow(ctx, pool, &deleted, "SELECT prune_outbox($1, $2)", before, pruned); err != nil {
			return Explain(err, pool.Config().ConnString())
		}
		if deleted < pruned {
			return nil
		}
	}
}

// KeepOutboxShort shrinks the outbox, now and once a minute, and prunes it once an
// hour, until ctx ends. A failure is told to report and tried again.
func KeepOutboxShort(ctx context.Context, pool *Pool, report func(error)) {
	var size int64
	for minute := 0; ; minute++ {
		var err error
		if minute%60 == 0 {
			err = PruneOutbox(ctx, pool)
		}
		if err == nil {
			size, err = ShrinkOutbox(ctx, pool, OutboxBytes, size)
		}
		if err != nil && ctx.Err() == nil {
			report(err)
		}
		if !sleep(ctx, time.Minute) {
			return
		}
	}
}
