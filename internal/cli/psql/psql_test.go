package psql

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"testing"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestPsqlGetsTheConnectionInItsEnvironment(t *testing.T) {
	var gotPath string
	var gotArgs, gotEnv []string
	opts := &Options{
		DatabaseURL: func(context.Context) (string, error) {
			return "postgres://gamemetrics:s%2Fcret@127.0.0.1:5433/gamemetrics?sslmode=disable", nil
		},
		Find: func(program string) (string, error) { return "/usr/bin/" + program, nil },
		Become: func(_ context.Context, path string, args, env []string) error {
			gotPath, gotArgs, gotEnv = path, args, env
			return nil
		},
		Args: []string{"-c", "SELECT 1"},
	}
	if err := run(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if want := []string{"psql", "-c", "SELECT 1"}; gotPath != "/usr/bin/psql" || !slices.Equal(gotArgs, want) {
		t.Errorf("it runs %s with %q, want %q", gotPath, gotArgs, want)
	}
	for _, want := range []string{"PGHOST=127.0.0.1", "PGPORT=5433", "PGUSER=gamemetrics", "PGPASSWORD=s/cret", "PGDATABASE=gamemetrics", "PGSSLMODE=disable"} {
		if !slices.Contains(gotEnv, want) {
			t.Errorf("the environment lacks %s", want)
		}
	}
}

func TestPsqlSaysWhatIsMissing(t *testing.T) {
	err := run(t.Context(), &Options{Find: func(string) (string, error) { return "", exec.ErrNotFound }})
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Kind != problem.Missing || p.Next == "" {
		t.Errorf("without psql: %v", err)
	}
}
