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

//go:embed queries/stored.sql
var storedBehind string

// drain is how long the relays may take to publish what is stored, after whatever
// ailed them has gone: among others, a broker that was killed waits for the timeout
// of the transactions that it finds.
const drain = 2 * time.Minute

// mostServiceMiB bounds the memory of one service, whatever is done to it.
const mostServiceMiB = 400

// progress is how far an audit has read the table and the topics.
type progress struct {
	at          relay.Position
	lastStored  map[string]int // each player's n
	published   offsets
	lastN       map[string]int
	deadLetters offsets
}

func newProgress() *progress {
	return &progress{lastStored: map[string]int{}, published: offsets{}, lastN: map[string]int{}, deadLetters: offsets{}}
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
	rows, err := s.pool.Query(ctx, storedBehind, p.at.Xid, p.at.Seq)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var player string
	var n int
	var at relay.Position
	_, err = pgx.ForEachRow(rows, []any{&id, &player, &n, &at.Xid, &at.Seq}, func() error {
		s.ledger.store(id, at)
		if n <= p.lastStored[player] {
			s.ledger.violate("in the table event %d of %s (%s) comes after %d", n, player, id, p.lastStored[player])
		}
		p.lastStored[player], p.at = n, at
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
		var metadata struct {
			N int `json:"n"`
		}
		_ = json.Unmarshal(got.Metadata, &metadata) // without a number it is out of order
		s.ledger.publish(got.EventID, place(r))
		if string(r.Key) != got.PlayerID {
			s.ledger.violate("the key of %s is %q, its player %q", place(r), r.Key, got.PlayerID)
		}
		if metadata.N <= p.lastN[got.PlayerID] {
			s.ledger.violate("event %d of %s (%s) is published after %d", metadata.N, got.PlayerID, place(r), p.lastN[got.PlayerID])
		}
		p.lastN[got.PlayerID] = metadata.N
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
		s.ledger.bury(id, place(r))
	})
}

func place(r *kgo.Record) string { return fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset) }
