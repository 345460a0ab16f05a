package postgres_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/testenv/postgres"
)

var pg = postgres.Shared{Options: postgres.Options{Unsafe: true}}

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

func execute(t *testing.T, dsn, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			execute(t, pg.Database(t), "CREATE TABLE the_same_name (n int)")
		})
	}
}

func TestAKilledServerKeepsItsDataAndItsPort(t *testing.T) {
	own := postgres.Start(t, postgres.Options{})
	execute(t, own.DSN(), "CREATE TABLE kept AS SELECT 42 AS n")
	port := own.Port()
	own.Kill(t)
	own.Restart(t)
	if own.Port() != port {
		t.Errorf("the port was %d and is %d", port, own.Port())
	}
	execute(t, own.DSN(), "SELECT 1 / (SELECT n - 41 FROM kept)")
}

func TestAStandbyTakesOver(t *testing.T) {
	primary := postgres.Start(t, postgres.Options{})
	dsn := primary.Database(t)
	standby := primary.Standby(t)
	primary.Synchronous(t)
	either := postgres.OneOf(t, dsn, primary, standby)
	execute(t, either, "CREATE TABLE kept AS SELECT 42 AS n")
	primary.AwaitStandby(t, standby)
	primary.Kill(t)
	standby.Promote(t)
	execute(t, either, "UPDATE kept SET n = n / (n - 41)")
}
