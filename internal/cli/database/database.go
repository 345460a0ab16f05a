// Package database holds the flag that says which PostgreSQL a command talks to.
package database

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/environment"
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
that --env names. That of an environment on AWS has no address outside its VPC: run
the command in the cluster, as its owner.`

// Open connects to the database that the command line names.
type Open func(context.Context) (*postgres.Pool, error)

// Flags adds --database-url to cmd and all its subcommands. What it returns
// connects, once the flags are parsed.
func Flags(cmd *cobra.Command, f *factory.Factory) Open {
	url := ""
	cmd.PersistentFlags().StringVar(&url, "database-url", "", "PostgreSQL as a `URL`, in place of the environment's [$"+URLVariable+"]")
	return func(ctx context.Context) (*postgres.Pool, error) {
		dsn, err := find(ctx, url, f)
		if err != nil {
			return nil, err
		}
		return postgres.Open(ctx, postgres.Config{DSN: dsn, MaxConns: 2})
	}
}

func find(ctx context.Context, url string, f *factory.Factory) (string, error) {
	if url == "" {
		url = os.Getenv(URLVariable)
	}
	if url != "" {
		return postgres.Login{User: os.Getenv(UserVariable), Password: os.Getenv(PasswordVariable)}.In(url), nil
	}
	env, err := f.Environment(environment.Options{})
	if err != nil {
		return "", err
	}
	return env.DatabaseURL(ctx)
}
