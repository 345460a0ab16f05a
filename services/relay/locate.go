package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// locate sets where to publish from, and tells why there. Without a cursor that is
// the start, unless the lane has published to these very topics: then the cursor
// is lost, and everything would be published again. The note is older than the cursor:
// what it says is published, by whomever, was in Kafka when that was asked.
func (s *session) locate(ctx context.Context, cursor *Cursor, note Note) (why string, err error) {
	r := s.relay
	if r.cfg.Lanes != nil {
		if s.topics, err = topicIDs(ctx, kadm.NewClient(s.client), r.cfg.Topics); err != nil {
			return "", err
		}
	}
	s.at = s.database.Start
	if p := r.cfg.place; p != nil {
		if cursor == nil && !p.clear {
			return "", errAgain // the cursor's topic is another one than a moment ago
		}
		if err := p.group.source.Past(ctx, p.Epoch, s.topics); err != nil {
			return "", err
		}
		if s.at.Before(p.from) {
			s.at = p.from
		}
	}
	switch {
	case cursor != nil:
		s.at = cursor.Position
		return "the cursor in Kafka says so", nil
	case r.cfg.Lanes == nil:
		return "Kafka has no cursor", nil
	}
	if p := r.cfg.place; p != nil {
		if err := p.group.source.Forget(ctx, p.Epoch, s.topics); err != nil {
			return "", err
		}
	}
	known := slices.ContainsFunc(note.Topics, func(id uuid.UUID) bool { return slices.Contains(s.topics, id) })
	switch {
	case !s.at.Before(note.Published):
		return "nothing was published yet", nil
	case !known:
		return fmt.Sprintf("nothing was published to these topics: what was published, up to %s, went to others", note.Published), nil
	case note.GoOn:
		s.at = note.Published
		return "the lost cursor was adopted", nil
	}
	return "", r.refuse(note)
}

// noted is what the database knows of the lane.
func (r *Relay) noted(ctx context.Context) (Note, error) {
	if r.cfg.Lanes == nil {
		return Note{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return r.cfg.Lanes.Noted(ctx, r.cfg.Lane)
}

func (r *Relay) refuse(note Note) error {
	return &problem.Error{
		What: fmt.Sprintf("Kafka has lost the cursor of lane %s, in %s: what was published to %s, up to %s at least, would all be published again",
			r.cfg.Lane, topics.RelayCursor, strings.Join(r.cfg.Topics, " and "), note.Published),
		Cause: ErrCursorLost,
		Next: "decide what to publish: gmctl serve relay --adopt noted (what comes after the noted position: the last seconds before the loss may come twice), " +
			"--adopt new (only what is stored from now on) or --adopt all (everything stored, again)",
	}
}

// topicIDs are the ids of the topics; of those without one (Kafka before 2.8) ids
// that the cluster's id and the name make.
func topicIDs(ctx context.Context, admin *kadm.Client, names []string) ([]uuid.UUID, error) {
	metadata, err := admin.Metadata(ctx, names...)
	if err != nil {
		return nil, err
	}
	var ids []uuid.UUID
	for _, name := range names {
		topic := metadata.Topics[name]
		if topic.Err != nil {
			return nil, fmt.Errorf("topic %s: %w", name, topic.Err)
		}
		id := uuid.UUID(topic.ID)
		if id == uuid.Nil {
			id = uuid.NewSHA1(uuid.NameSpaceURL, []byte(metadata.Cluster+"/"+name))
		}
		ids = append(ids, id)
	}
	return ids, nil
}
