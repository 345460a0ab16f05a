package psql

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestPsqlGetsTheConnectionInItsEnvironment(t *testing.T) {
	var gotPath string
	var gotArgs, gotEnv []string
	opts := &Options{
		Database: func(context.Context) (environment.Database, error) {
			return environment.Database{URL: "postgres://gamemetrics:s%2Fcret@127.0.0.1:5433/gamemetrics?sslmode=disable"}, nil
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

// Where this process is the way to the database, psql is told of an address on this
// machine, and whom the server behind it has to be.
func TestPsqlBesideTheWay(t *testing.T) {
	opts := &Options{
		Database: func(context.Context) (environment.Database, error) {
			return environment.Database{
				URL: "postgres://owner:secret@db.internal:5432/gamemetrics?sslmode=require&channel_binding=require",
				Dial: func(context.Context, string, string) (net.Conn, error) {
					here, there := net.Pipe()
					go func() { _, _ = io.WriteString(there, "welcome"); there.Close() }()
					return here, nil
				},
			}, nil
		},
		Find: func(program string) (string, error) { return program, nil },
		Accompany: func(_ context.Context, _ string, _, env []string) error {
			set := map[string]string{}
			for _, entry := range env {
				name, value, _ := strings.Cut(entry, "=")
				set[name] = value // the last one counts
			}
			for name, want := range map[string]string{
				"PGHOST": "db.internal", "PGHOSTADDR": "127.0.0.1", "PGUSER": "owner", "PGSSLMODE": "require", "PGCHANNELBINDING": "require",
			} {
				if set[name] != want {
					t.Errorf("%s is %q, want %q", name, set[name], want)
				}
			}
			conn, err := net.Dial("tcp", net.JoinHostPort(set["PGHOSTADDR"], set["PGPORT"]))
			if err != nil {
				return err
			}
			defer conn.Close()
			got, err := io.ReadAll(conn)
			if string(got) != "welcome" {
				t.Errorf("behind the address is %q", got)
			}
			return err
		},
	}
	if err := run(t.Context(), opts); err != nil {
		t.Error(err)
	}
}

func TestPsqlSaysWhatIsMissing(t *testing.T) {
	err := run(t.Context(), &Options{Find: func(string) (string, error) { return "", exec.ErrNotFound }})
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Kind != problem.Missing || p.Next == "" {
		t.Errorf("without psql: %v", err)
	}
}
