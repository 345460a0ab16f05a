package postgres

import (
	"context"
	_ "embed"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/services/relay"
)

var (
	//go:embed queries/claim_lane.sql
	claimLane string
	//go:embed queries/leave_lane.sql
	leaveLane string
	//go:embed queries/noted_lane.sql
	notedLane string
	//go:embed queries/progress.sql
	laneProgress string
)

// How relay_lanes calls the tables.
const (
	eventStream  = "events"
	outboxStream = "outbox"
)

var _ relay.Lanes = (*Source)(nil)

// Claim implements relay.Lanes. It takes no lock that outlives its statement: a
// connection that a pooler shares, or that a frozen process keeps open, holds
// nothing.
func (s *Source) Claim(ctx context.Context, c relay.Claim) (holder string, err error) {
	err = s.pool.QueryRow(ctx, claimLane, s.stream, c.Lane, c.Holder, c.For, c.Published.Xid, c.Published.Seq, topicIDs(c)).Scan(&holder)
	if errors.Is(err, pgx.ErrNoRows) { // another one has made the row in this moment
		return "", nil
	}
	if err != nil {
		return "", s.explain(err)
	}
	return holder, nil
}

// Leave implements relay.Lanes.
func (s *Source) Leave(ctx context.Context, c relay.Claim) error {
	if _, err := s.pool.Exec(ctx, leaveLane, s.stream, c.Lane, c.Holder, c.Published.Xid, c.Published.Seq, topicIDs(c)); err != nil {
		return s.explain(err)
	}
	return nil
}

// Noted implements relay.Lanes.
func (s *Source) Noted(ctx context.Context, lane string) (relay.Note, error) {
	var n relay.Note
	err := s.pool.QueryRow(ctx, notedLane, s.stream, lane).Scan(&n.Published.Xid, &n.Published.Seq, &n.Topics, &n.GoOn)
	if errors.Is(err, pgx.ErrNoRows) {
		return relay.Note{}, nil
	}
	if err != nil {
		return relay.Note{}, s.explain(err)
	}
	return n, nil
}

// Progress implements relay.Lanes.
func (s *Source) Progress(ctx context.Context, lane string) (relay.Position, error) {
	var at relay.Position
	if err := s.pool.QueryRow(ctx, laneProgress, s.stream, lane).Scan(&at.Xid, &at.Seq); err != nil {
		return relay.Position{}, s.explain(err)
	}
	return at, nil
}

// topicIDs is never nil, which would be NULL.
func topicIDs(c relay.Claim) []uuid.UUID { return append([]uuid.UUID{}, c.Topics...) }
