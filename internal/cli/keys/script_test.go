package keys_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gamemetrics/gmctl/internal/cli"
	"github.com/gamemetrics/gmctl/internal/postgres"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/script"
)

var pg = testpostgres.Shared{Options: testpostgres.Options{Unsafe: true}}

// withPostgres stops the shared PostgreSQL when the tests are done.
type withPostgres struct{ m *testing.M }

func (w withPostgres) Run() int { return pg.Main(w.m) }

// The test binary is gmctl itself when a script calls it by that name.
func TestMain(m *testing.M) {
	testscript.Main(withPostgres{m}, map[string]func(){"gmctl": func() { os.Exit(cli.Main()) }})
}

// TestScripts runs what a user types, from testdata/*.txtar, each on a database
// of its own.
func TestScripts(t *testing.T) {
	script.Run(t, testscript.Params{Dir: "testdata", Setup: func(env *testscript.Env) error {
		dsn := pg.Database(t)
		pool, err := pgxpool.New(t.Context(), dsn)
		if err != nil {
			return err
		}
		defer pool.Close()
		env.Setenv("GMCTL_DATABASE_URL", dsn)
		return postgres.Migrate(t.Context(), pool, nil)
	}})
}
