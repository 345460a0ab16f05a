//go:build unix

package pipeline

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/relay"
)

var (
	//go:embed queries/stored.sql
	storedBehind string
	//go:embed queries/kept.sql
	keptBehind string
)

// drain is how long the relays may take to publish what is stored, after whatever
// ailed them has gone: among others, a broker that was killed waits for the timeout
// of the transactions that it finds.
const drain = 2 * time.Minute

// mostServiceMiB bounds the memory of one service, whatever is done to it.
const mostServiceMiB = 400

// progress is how far an audit has read the table and the topics.
type progress struct {
	at, keptAt  relay.Position // in the table, and in the outbox
	lastStored  map[string]int // each player's n
	lastKept    map[string]int
	published   offsets
	lastN       map[string]int
	deadLetters offsets
	lastLetter  map[string]int
}

func newProgress() *progress {
	return &progress{
		lastStored: map[string]int{}, lastKept: map[string]int{}, published: offsets{}, lastN: map[string]int{},
		deadLetters: offsets{}, lastLetter: map[string]int{},
	}
}

// audit compares what was acknowledged since the last one with what is stored and
// published. The load is silent.
func (s *site) audit(ctx context.Context) error {
	for _, api := range s.apis {
		if err := await(ctx, api.name+" is ready again", recovery, func() error { return api.ready(ctx) }); err != nil {
			return err
		}
	}
	for _, service := range s.services() {
		if held := service.residentMiB(); held > mostServiceMiB {
			return fmt.Errorf("%s held %d MiB", service.name, held)
		} else if held > s.mostMiB {
			s.mostMiB = held
		}
	}
	return s.compare(ctx, s.read)
}

// finalAudit compares everything once more, read anew from the beginning.
func (s *site) finalAudit(ctx context.Context) error {
	s.ledger.forget()
	return s.compare(ctx, newProgress())
}

func (s *site) compare(ctx context.Context, p *progress) error {
	return await(ctx, "what is acknowledged is stored, what is stored is published, and no transaction is open", drain, func() error {
		if err := errors.Join(s.readPublished(ctx, p), s.readStored(ctx, p)); err != nil {
			return err
		}
		return s.ledger.open()
	})
}

func (s *site) readStored(ctx context.Context, p *progress) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return errors.Join(
		s.readRows(ctx, storedBehind, &p.at, p.lastStored, s.ledger.store),
		s.readRows(ctx, keptBehind, &p.keptAt, p.lastKept, s.ledger.keep),
	)
}

// readRows notes the rows behind a position, which it moves, and holds those of each
// player to their order.
func (s *site) readRows(ctx context.Context, query string, from *relay.Position, last map[string]int, note func(uuid.UUID, relay.Position, content)) error {
	rows, err := s.pool.Query(ctx, query, from.Xid, from.Seq)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var player string
	var n int
	var at relay.Position
	var of, kind string
	var timestamp time.Time
	var sent []byte // the metadata of an event, all of a rejected one
	_, err = pgx.ForEachRow(rows, []any{&id, &player, &n, &at.Xid, &at.Seq, &of, &kind, &timestamp, &sent}, func() error {
		note(id, at, contentOf(of, kind, timestamp, sent))
		if n <= last[player] {
			s.ledger.violate("in its table event %d of %s (%s) comes after %d", n, player, id, last[player])
		}
		last[player], *from = n, at
		return nil
	})
	return err
}

func (s *site) readPublished(ctx context.Context, p *progress) error {
	err := s.readTopic(ctx, topics.EventsRaw, p.published, func(r *kgo.Record) {
		got, err := event.DecodeReceived(r.Value)
		if err != nil {
			s.ledger.violate("%s/%d@%d cannot be read: %v", r.Topic, r.Partition, r.Offset, err)
			return
		}
		n := numberOf(r.Value)
		s.ledger.publish(got.EventID, place(r), contentOf(got.PlayerID, got.EventType, got.Timestamp, got.Metadata))
		if string(r.Key) != got.PlayerID {
			s.ledger.violate("the key of %s is %q, its player %q", place(r), r.Key, got.PlayerID)
		}
		if n <= p.lastN[got.PlayerID] {
			s.ledger.violate("event %d of %s (%s) is published after %d", n, got.PlayerID, place(r), p.lastN[got.PlayerID])
		}
		p.lastN[got.PlayerID] = n
	})
	if err != nil {
		return err
	}
	return s.readTopic(ctx, topics.DeadLetter, p.deadLetters, func(r *kgo.Record) {
		headers := map[string]string{}
		for _, h := range r.Headers {
			headers[h.Key] = string(h.Value)
		}
		id, err := uuid.Parse(headers[relay.HeaderEventID])
		if err != nil || headers[relay.HeaderReason] == "" {
			s.ledger.violate("the dead letter %s says neither its event nor a reason: %v", place(r), headers)
			return
		}
		s.ledger.bury(id, place(r), letterOf(r.Value))
		if headers[relay.HeaderSource] != "ingestion" {
			return
		}
		n := numberOf(r.Value)
		if n <= p.lastLetter[string(r.Key)] {
			s.ledger.violate("dead letter %d of %s (%s) is published after %d", n, r.Key, place(r), p.lastLetter[string(r.Key)])
		}
		p.lastLetter[string(r.Key)] = n
	})
}

// numberOf is the n of an event; 0, which is out of order, where it has none.
func numberOf(value []byte) int {
	var said struct {
		Metadata struct {
			N int `json:"n"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal(value, &said)
	return said.Metadata.N
}

func place(r *kgo.Record) string { return fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset) }
