package postgres

import (
	"context"
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/services/relay"
)

var (
	//go:embed queries/adopt.sql
	adoptDatabase string
	//go:embed queries/adopt_new.sql
	adoptNewOnly string
	//go:embed queries/adopt_lane.sql
	adoptLane string
	//go:embed queries/adopt_unclaimed.sql
	adoptUnclaimed string
)

// Adoption says what is published where the relay does not know how to go on: the
// database's history is not the one that was published so far, or Kafka has lost
// the cursor.
type Adoption string

const (
	AdoptAll Adoption = "all" // everything stored; consumers see again what was published before the copy was made
	AdoptNew Adoption = "new" // only what is stored after the adoption
	// AdoptNoted goes on behind what the lane has noted as published: for AdoptLane
	// alone. Consumers may see again what was published after the note, a second's
	// worth or so.
	AdoptNoted Adoption = "noted"
)

// Adopt makes a copied, restored or rewound database one of its own, which the
// relay publishes from then on. It rewrites every event and holds up writers
// for that long. Its error is a *problem.Error.
func Adopt(ctx context.Context, pool *pgxpool.Pool, what Adoption) error {
	if what != AdoptAll && what != AdoptNew {
		return &problem.Error{What: "a database with another history cannot be adopted as " + string(what), Next: "choose all or new", Kind: problem.Usage}
	}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, adoptDatabase); err != nil {
			return err
		}
		if what == AdoptAll {
			return nil
		}
		_, err := tx.Exec(ctx, adoptNewOnly)
		return err
	})
	if err != nil {
		return Explain(err, pool.Config().ConnString())
	}
	return nil
}

// AdoptLane says where a lane goes on whose cursor Kafka has lost; with the main
// one those of all layouts, and the outbox. A lane that a relay works on, whose claims hold
// for lease, is left alone. It touches no event, and needs no more than a service's role
// may. Its error is a *problem.Error.
func AdoptLane(ctx context.Context, pool *pgxpool.Pool, lane string, lease time.Duration, what Adoption) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if lane == relay.DefaultLane {
			if _, err := tx.Exec(ctx, adoptUnclaimed); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, adoptLane, lane, string(what), lease)
		return err
	})
	if err != nil {
		return Explain(err, pool.Config().ConnString())
	}
	return nil
}
