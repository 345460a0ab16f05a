//go:build unix

package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

// deleteTopic deletes the topic of events under load. The relays say so, publish
// nothing, and go on when someone has made it again: what was published before is
// gone with the topic, what was not is published once.
func deleteTopic(ctx context.Context, s *site, random *rand.Rand) error {
	client, err := platform.NewClient(s.kafka.Config())
	if err != nil {
		return err
	}
	defer client.Close()
	// what a relay has passed over would count as gone with the topic
	passed, err := s.cursor(ctx)
	if err != nil {
		return err
	}
	err = await(ctx, "the table and the topics can be read", drain, func() error {
		return errors.Join(s.readStored(ctx, s.read), s.readPublished(ctx, s.read))
	})
	if err != nil {
		return err
	}
	s.ledger.passed(passed)
	deleted, err := kadm.NewClient(client).DeleteTopics(ctx, topics.EventsRaw)
	if err := errors.Join(err, deleted.Error()); err != nil {
		return err
	}
	accepted := s.accepts(ctx)
	for _, service := range s.relays {
		err := await(ctx, service.name+" does not publish without its topic", drain, func() error {
			if service.works(ctx) {
				return errors.New("it says that it does")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	sleep(ctx, between(random, 0, 2000))
	upTo, err := s.cursor(ctx)
	if err != nil {
		return err
	}
	s.read.published = offsets{}
	// the rows up to the cursor must be known, to be known as gone
	if err := errors.Join(accepted, s.readStored(ctx, s.read), s.makeTopics(ctx)); err != nil {
		return err
	}
	s.ledger.lose(upTo)
	return nil
}

// cursor returns how far the relays have published events. Between faults those have
// one lane.
func (s *site) cursor(ctx context.Context) (at relay.Position, err error) {
	err = await(ctx, "the relays' cursor can be read", drain, func() error {
		return s.readTopic(ctx, topics.RelayCursor, offsets{}, func(r *kgo.Record) {
			if bytes.HasSuffix(r.Key, []byte("/"+postgres.OutboxLane)) {
				return // of the lane of dead letters
			}
			var last struct {
				Last *relay.Cursor `json:"last"`
			}
			if json.Unmarshal(r.Value, &last) == nil && last.Last != nil {
				return // of a lane that others have followed
			}
			var cursor relay.Cursor
			if err := json.Unmarshal(r.Value, &cursor); err != nil {
				s.ledger.violate("the cursor %s cannot be read: %v", place(r), err)
			}
			at = cursor.Position
		})
	})
	if err == nil && at == (relay.Position{}) {
		err = fmt.Errorf("%s has no cursor", topics.RelayCursor)
	}
	return at, err
}
