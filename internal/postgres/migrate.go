package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/gamemetrics/gmctl/internal/problem"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the key of the advisory lock under which the schema is
// changed; the number means nothing, it only must not change.
const migrationLock int64 = 0x2f1c5d0e6b7a4938

// Migration is one step of the schema.
type Migration struct {
	Version int64
	Name    string // "00001_events.sql"
}

// Pending returns the migrations that Migrate would apply, in order. It changes
// nothing, not even in an empty database.
func Pending(ctx context.Context, pool *pgxpool.Pool) ([]Migration, error) {
	applied, err := appliedVersions(ctx, pool)
	if err != nil {
		return nil, err
	}
	all, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var pending []Migration
	for _, file := range all {
		version, err := goose.NumericComponent(file)
		if err != nil {
			return nil, err
		}
		if !applied[version] {
			pending = append(pending, Migration{Version: version, Name: path.Base(file)})
		}
	}
	return pending, nil
}

func appliedVersions(ctx context.Context, pool *pgxpool.Pool) (map[int64]bool, error) {
	var exists bool
	if err := pool.QueryRow(ctx, "SELECT to_regclass('goose_db_version') IS NOT NULL").Scan(&exists); err != nil || !exists {
		return nil, err
	}
	rows, err := pool.Query(ctx, "SELECT version_id FROM goose_db_version WHERE is_applied")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	applied := make(map[int64]bool)
	for rows.Next() {
		var version int64
		if err := rows.Scan(&version); err != nil {
			return nil, err
		}
		applied[version] = true
	}
	return applied, rows.Err()
}

// Migrate brings the schema to this program's version and makes the partitions
// of the next days. progress, which may be nil, is called after each step.
// Several may run at once: one works, the others wait for it and find nothing
// to do. Its error is a *problem.Error.
func Migrate(ctx context.Context, pool *pgxpool.Pool, progress func(Migration)) error {
	if progress == nil {
		progress = func(Migration) {}
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	// Migrations do not build on each other's numbers: one that was written beside
	// others may come after those with higher ones.
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithAllowOutofOrder(true),
		goose.WithSessionLocker(advisoryLock{}), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	for began := time.Now(); ; {
		err = up(ctx, provider, progress)
		if sqlState(err) != stateLockTimeout || time.Since(began) > lockPatience || !sleep(ctx, lockPause) {
			break
		}
	}
	if err == nil {
		err = EnsurePartitions(ctx, pool, daysAhead(time.Now(), PartitionsAhead))
	}
	if err != nil {
		return migrationProblem(err, pool)
	}
	return nil
}

// A migration that waits for a table keeps all who come after it waiting too. It
// waits for a moment only, lets them go on, and tries again.
const (
	lockTimeout  = "1s"
	lockPause    = time.Second
	lockPatience = 2 * time.Minute
)

func up(ctx context.Context, provider *goose.Provider, progress func(Migration)) error {
	results, err := provider.Up(ctx)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		results = partial.Applied
		err = fmt.Errorf("%s: %w", path.Base(partial.Failed.Source.Path), partial.Err)
	}
	for _, r := range results {
		progress(Migration{Version: r.Source.Version, Name: path.Base(r.Source.Path)})
	}
	return err
}

// sleep reports whether the pause went by before ctx ended.
func sleep(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

func migrationProblem(err error, pool *pgxpool.Pool) *problem.Error {
	why := Explain(err, pool.Config().ConnString())
	return &problem.Error{What: "the database schema could not be made", Cause: why, Next: why.Next}
}

// advisoryLock lets one session at a time change the schema. It waits in the
// server, so that a waiter goes on the moment the lock is free.
type advisoryLock struct{}

func (advisoryLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	// Waiting for another replica's migration is no statement that hangs.
	if _, err := conn.ExecContext(ctx, "SET statement_timeout = 0"); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, "SET lock_timeout = '"+lockTimeout+"'")
	return err
}

func (advisoryLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", migrationLock)
	return errors.Join(err, resetTimeouts(ctx, conn))
}

func resetTimeouts(ctx context.Context, conn *sql.Conn) error {
	for _, setting := range []string{"statement_timeout", "lock_timeout"} {
		if _, err := conn.ExecContext(ctx, "RESET "+setting); err != nil {
			return err
		}
	}
	return nil
}
