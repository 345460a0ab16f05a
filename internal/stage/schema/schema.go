// Package schema is the stage of the database's tables.
package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// DatabaseURL tells how to reach PostgreSQL; an error means that it cannot be
// reached now, such as before it is started.
type DatabaseURL func(context.Context) (string, error)

type stage struct {
	url DatabaseURL
}

// New returns the stage that has the database at this gmctl's schema.
func New(url DatabaseURL) engine.Stage { return &stage{url} }

// lookTimeout bounds what Plan and Check ask of the database.
const lookTimeout = 5 * time.Second

// pending returns the migrations that are not applied.
func (s *stage) pending(ctx context.Context) ([]postgres.Migration, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var pending []postgres.Migration
	err := s.with(ctx, func(pool *pgxpool.Pool) (err error) {
		pending, err = postgres.Pending(ctx, pool)
		return err
	})
	return pending, err
}

func (s *stage) with(ctx context.Context, work func(*pgxpool.Pool) error) error {
	url, err := s.url(ctx)
	if err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, postgres.Config{DSN: url, Application: "gmctl schema"})
	if err != nil {
		return err
	}
	defer pool.Close()
	return work(pool)
}

// Plan names the migrations to apply. To remove the stage changes nothing: the
// tables go with the database's data.
func (s *stage) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	if goal == engine.GoalAbsent {
		return engine.Plan{}, nil
	}
	pending, err := s.pending(ctx)
	if err != nil {
		return engine.Plan{Deferred: "the tables, looked at when PostgreSQL answers"}, nil //nolint:nilerr // that it does not answer is for its own stage to say
	}
	var plan engine.Plan
	for _, m := range pending {
		plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionRun, Object: "migration " + m.Name})
	}
	return plan, nil
}

// Apply migrates the database.
func (s *stage) Apply(ctx context.Context, report engine.Reporter) error {
	return s.with(ctx, func(pool *pgxpool.Pool) error {
		return postgres.Migrate(ctx, pool, func(m postgres.Migration) {
			report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "applied " + m.Name})
		})
	})
}

// Check looks whether the database is at this gmctl's schema.
func (s *stage) Check(ctx context.Context) (engine.Health, error) {
	if _, err := s.url(ctx); err != nil {
		return engine.Health{State: engine.StateAbsent, Summary: "PostgreSQL is not running"}, nil //nolint:nilerr // its own stage says why
	}
	pending, err := s.pending(ctx)
	if err != nil {
		return engine.Health{State: engine.StateDown, Problem: problem.From(err)}, nil
	}
	if len(pending) > 0 {
		return engine.Health{State: engine.StateDown, Problem: &problem.Error{
			What: fmt.Sprintf("%s not applied, the first is %s", humanize.Plural(len(pending), "migration"), pending[0].Name),
			Next: "apply them: gmctl up",
		}}, nil
	}
	return engine.Health{State: engine.StateReady, Summary: "up to date"}, nil
}

// Destroy does nothing: the tables go with the database's data.
func (s *stage) Destroy(context.Context, engine.Reporter) error { return nil }
