package schemas_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gamemetrics/gmctl/internal/cli"
	"github.com/gamemetrics/gmctl/internal/postgres"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/script"
)

var pg = testpostgres.Shared{Options: testpostgres.Options{Unsafe: true}}

// shared is a testing.M that stops the shared PostgreSQL at its end.
type shared struct{ *testing.M }

func (s shared) Run() int { return pg.Main(s.M) }

func TestMain(m *testing.M) {
	testscript.Main(shared{m}, map[string]func(){"gmctl": func() { os.Exit(cli.Main()) }})
}

// TestScripts runs what a user types against an empty PostgreSQL.
func TestScripts(t *testing.T) {
	script.Run(t, testscript.Params{Dir: filepath.Join("testdata", "script"), Setup: func(env *testscript.Env) error {
		dsn := pg.Database(env.T().(testing.TB))
		env.Setenv("GMCTL_DATABASE_URL", dsn)
		pool, err := postgres.Open(context.Background(), postgres.Config{DSN: dsn})
		if err != nil {
			return err
		}
		defer pool.Close()
		return postgres.Migrate(context.Background(), pool, nil)
	}})
}
