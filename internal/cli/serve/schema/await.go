package schema

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// retry is how long a failed connection waits before the next.
const retry = time.Second

// await connects as soon as PostgreSQL answers. What waiting does not mend ends
// it at once.
func await(ctx context.Context, opts *Options, log *slog.Logger) (*postgres.Pool, error) {
	pool, err := postgres.NewPool(ctx, postgres.Config{DSN: opts.DatabaseURL, Application: "gmctl-schema", MaxConns: 2})
	if err != nil {
		return nil, err
	}
	if err := answer(ctx, pool, opts, log); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// answer returns when the server answers.
func answer(ctx context.Context, pool *postgres.Pool, opts *Options, log *slog.Logger) error {
	inTime, cancel := context.WithTimeout(ctx, opts.Wait)
	defer cancel()
	why := &problem.Error{What: "PostgreSQL was not tried"}
	for {
		err := pool.Ping(inTime)
		if err == nil {
			return nil
		}
		if inTime.Err() == nil {
			before := why.Error()
			why = postgres.Explain(err, opts.DatabaseURL)
			if !postgres.MayPass(err) {
				return why
			}
			if why.Error() != before {
				log.Info("waiting for PostgreSQL", "error", why)
			}
		}
		select {
		case <-ctx.Done():
			return &problem.Error{What: "interrupted while waiting for PostgreSQL", Cause: errors.New(why.Error()), Kind: problem.Cancelled}
		case <-inTime.Done():
			return &problem.Error{What: "PostgreSQL did not answer within " + opts.Wait.String(), Cause: errors.New(why.Error()), Next: why.Next}
		case <-time.After(retry):
		}
	}
}
