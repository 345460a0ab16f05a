// Package psql is `gmctl psql`: PostgreSQL's own shell on the environment's
// database.
package psql

import (
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/database"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Options are what `gmctl psql` works with.
type Options struct {
	Database func(context.Context) (environment.Database, error)
	Find     func(program string) (path string, err error)
	// Become runs the program in place of this process, or returns why it cannot.
	Become func(ctx context.Context, path string, args, env []string) error
	// Accompany runs the program to its end beside this process.
	Accompany func(ctx context.Context, path string, args, env []string) error

	Args []string // for psql
}

// NewCommand returns `gmctl psql`.
func NewCommand(f *factory.Factory) *cobra.Command { return newCommand(f, run) }

func newCommand(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Find: exec.LookPath, Become: become, Accompany: accompany}
	return &cobra.Command{
		Use:   "psql [-- PSQL-ARGS...]",
		Short: "Open psql on the environment's database",
		Args:  cobra.ArbitraryArgs,
		Long: `Open psql, which must be on PATH, on the environment's database, as its user and
with its password. What stands behind -- goes to psql.

` + database.Way,
		Example: `  gmctl psql
  gmctl psql -- -c 'SELECT event_type, count(*) FROM events GROUP BY 1'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Args = args
			opts.Database = func(ctx context.Context) (environment.Database, error) { return database.OfEnvironment(ctx, f) }
			return run(cmd.Context(), opts)
		},
	}
}

func run(ctx context.Context, opts *Options) error {
	path, err := opts.Find("psql")
	if err != nil {
		return &problem.Error{
			What: "psql is not on PATH", Cause: err,
			Next: "install PostgreSQL's client (Debian: apt-get install postgresql-client; macOS: brew install libpq)", Kind: problem.Missing,
		}
	}
	found, err := opts.Database(ctx)
	if err != nil {
		return err
	}
	env, err := connection(found.URL)
	if err != nil {
		return err
	}
	args := append([]string{"psql"}, opts.Args...)
	if found.Dial == nil {
		return opts.Become(ctx, path, args, append(os.Environ(), env...))
	}
	address, err := found.Forward(ctx)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	env = append(env, "PGHOSTADDR="+host, "PGPORT="+port) // PGHOST stays whom the server has to be
	return opts.Accompany(ctx, path, args, append(os.Environ(), env...))
}

// connection turns a database's URL into libpq's variables: unlike arguments,
// they are not for every user of the machine to see.
func connection(address string) ([]string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, &problem.Error{What: "the database's address cannot be read"} // the cause would show the password
	}
	password, _ := u.User.Password()
	env := []string{
		"PGHOST=" + u.Hostname(), "PGPORT=" + u.Port(), "PGUSER=" + u.User.Username(),
		"PGPASSWORD=" + password, "PGDATABASE=" + strings.TrimPrefix(u.Path, "/"), "PGSSLMODE=" + u.Query().Get("sslmode"),
	}
	if binding := u.Query().Get("channel_binding"); binding != "" {
		env = append(env, "PGCHANNELBINDING="+binding)
	}
	return env, nil
}
