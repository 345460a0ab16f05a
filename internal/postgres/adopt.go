package postgres

import (
	"context"
	_ "embed"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/problem"
)

var (
	//go:embed queries/adopt.sql
	adoptDatabase string
	//go:embed queries/adopt_new.sql
	adoptNewOnly string
)

// Adoption says what is published of a database whose history is not the one
// that was published so far.
type Adoption string

const (
	AdoptAll Adoption = "all" // everything stored; consumers see again what was published before the copy was made
	AdoptNew Adoption = "new" // only what is stored after the adoption
)

// Adopt makes a copied, restored or rewound database one of its own, which the
// relay publishes from then on. It rewrites every event and holds up writers
// for that long. Its error is a *problem.Error.
func Adopt(ctx context.Context, pool *pgxpool.Pool, what Adoption) error {
	if what != AdoptAll && what != AdoptNew {
		return &problem.Error{What: "there is no adoption " + string(what), Next: "choose all or new", Kind: problem.Usage}
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
