package postgres

import (
	"context"
	_ "embed"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/services/relay"
)

var (
	//go:embed queries/claim_lane.sql
	claimLane string
	//go:embed queries/leave_lane.sql
	leaveLane string
)

// eventStream is how relay_lanes calls the table events.
const eventStream = "events"

var _ relay.Lanes = (*Source)(nil)

// Claim implements relay.Lanes. It takes no lock that outlives its statement: a
// connection that a pooler shares, or that a frozen process keeps open, holds
// nothing.
func (s *Source) Claim(ctx context.Context, c relay.Claim) (holder string, err error) {
	err = s.pool.QueryRow(ctx, claimLane, eventStream, c.Lane, c.Holder, c.For, c.Published.Xid, c.Published.Seq).Scan(&holder)
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
	if _, err := s.pool.Exec(ctx, leaveLane, eventStream, c.Lane, c.Holder, c.Published.Xid, c.Published.Seq); err != nil {
		return s.explain(err)
	}
	return nil
}
