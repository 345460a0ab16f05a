package postgres_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/postgres"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
)

var pg = testpostgres.Shared{Options: testpostgres.Options{Unsafe: true}}

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

// migrated returns a pool on a database of the test's own that has the schema.
func migrated(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool := opened(t, pg.Database(t))
	if err := postgres.Migrate(t.Context(), pool, nil); err != nil {
		t.Fatal(err)
	}
	return pool
}

func opened(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
