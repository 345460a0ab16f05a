// Package database holds the flag that says which PostgreSQL a command talks to.
package database

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/postgres"
)

// The environment variables that stand in for the flag: those of the services.
const (
	URLVariable      = "GMCTL_DATABASE_URL"
	UserVariable     = "GMCTL_DATABASE_USER"
	PasswordVariable = "GMCTL_DATABASE_PASSWORD"
)

// Help tells where the database comes from, for the help of a command.
const Help = `The database is that of --database-url, else of $` + URLVariable + ` (with
$` + UserVariable + ` and $` + PasswordVariable + `, if set), else of the environment
that --env names, as its owner.

` + Way

// Way tells how the database of an environment is reached, for the help of a command.
const Way = `The database of an environment on AWS has no address outside its VPC: a pod that
gmctl has run for the command carries the connection, for an hour at most.`

// Open connects to the database that the command line names.
type Open func(context.Context) (*postgres.Pool, error)

// Flags adds --database-url to cmd and all its subcommands. What it returns
// connects, once the flags are parsed.
func Flags(cmd *cobra.Command, f *factory.Factory) Open {
	url := ""
	cmd.PersistentFlags().StringVar(&url, "database-url", "", "PostgreSQL as a `URL`, in place of the environment's [$"+URLVariable+"]")
	return func(ctx context.Context) (*postgres.Pool, error) {
		found, err := find(ctx, url, f)
		if err != nil {
			return nil, err
		}
		return postgres.Open(ctx, postgres.Config{DSN: found.URL, Dial: found.Dial, Application: cmd.CommandPath(), MaxConns: 2})
	}
}

func find(ctx context.Context, url string, f *factory.Factory) (environment.Database, error) {
	if url == "" {
		url = os.Getenv(URLVariable)
	}
	if url != "" {
		login := postgres.Login{User: os.Getenv(UserVariable), Password: os.Getenv(PasswordVariable)}
		return environment.Database{URL: login.In(url)}, nil
	}
	return OfEnvironment(ctx, f)
}

// OfEnvironment is the database of the environment that --env names. It tells on
// stderr what it waits for.
func OfEnvironment(ctx context.Context, f *factory.Factory) (environment.Database, error) {
	env, err := f.Environment(environment.Options{})
	if err != nil {
		return environment.Database{}, err
	}
	return env.Database(ctx, waiting{f.IO})
}

// waiting tells what is waited for.
type waiting struct{ io *iostreams.IOStreams }

func (w waiting) Report(update engine.Update) {
	if update.Kind == engine.UpdateWaiting {
		fmt.Fprintln(w.io.Err, w.io.Paint(iostreams.Faint, "waiting for "+update.Message))
	}
}
