// Package schema is `gmctl serve schema`: what a cluster runs once before the
// services, as the owner of the database.
package schema

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/flagenv"
	"github.com/gamemetrics/gmctl/internal/cli/serve/service"
	"github.com/gamemetrics/gmctl/internal/postgres"
)

// appPasswordVariable is the environment variable that holds the password of the
// services' role.
const appPasswordVariable = "GMCTL_APP_PASSWORD"

// platformKeyVariable is the environment variable that holds the API key with which
// gmctl itself sends events.
const platformKeyVariable = "GMCTL_PLATFORM_KEY"

// Options are what the command is given.
type Options struct {
	service.Options

	AppUser     string
	appPassword string
	platformKey apikey.Secret // empty: gmctl has none here
	Wait        time.Duration
}

// NewCommand returns `gmctl serve schema`.
func NewCommand(f *factory.Factory) *cobra.Command {
	opts := &Options{}
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Make the database's schema and the role of the services, then end",
		Long: `Make or upgrade the database's schema, and have a role that the services log in
as: it may store and read events, and nothing else. Then end. It runs as the
owner of the database, who may make roles; the services need that login no more.

The role gets the password in ` + appPasswordVariable + `, also when it is there
already. Running it again changes nothing else, and several may run at once.

An API key in ` + platformKeyVariable + ` is made known to the services as that of gmctl,
whose smoke test and commands send events with it. One that had this part before
is revoked.

PostgreSQL may come later: it is waited for. A login that is refused is not.

` + service.Configuration,
		Example: `  GMCTL_DATABASE_URL=postgres://db.internal/gamemetrics?sslmode=require \
    GMCTL_DATABASE_USER=gamemetrics_master GMCTL_DATABASE_PASSWORD=… \
    GMCTL_APP_PASSWORD=… gmctl serve schema`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.Complete(cmd, f); err != nil {
				return err
			}
			opts.appPassword = os.Getenv(appPasswordVariable)
			opts.platformKey = apikey.Read(os.Getenv(platformKeyVariable))
			return run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	opts.DefineDatabase(flags, service.Purpose{Database: "make the schema in"})
	flags.StringVar(&opts.AppUser, "app-user", "gamemetrics_app", "`name` of the services' role, whose password is in $"+appPasswordVariable)
	flags.DurationVar(&opts.Wait, "wait", 5*time.Minute, "how long PostgreSQL may take to answer")
	flagenv.Bind(flags)
	return cmd
}

// run makes the schema and the role.
func run(ctx context.Context, opts *Options) error {
	if opts.appPassword == "" {
		return service.Usage("there is no password for the services' role "+opts.AppUser, "set "+appPasswordVariable)
	}
	if key := opts.platformKey; key.Reveal() != "" && !key.WellFormed() {
		return service.Usage("what "+platformKeyVariable+" holds is no API key", "delete the Secret that it comes from, and have it made anew: gmctl up")
	}
	if opts.Wait <= 0 {
		return service.Usage("--wait must be more than zero", "leave it out for its default")
	}
	log, err := opts.Logger()
	if err != nil {
		return err
	}
	pool, err := await(ctx, opts, log)
	if err != nil {
		return err
	}
	defer pool.Close()
	err = postgres.Migrate(ctx, pool, func(step postgres.Migration) { log.Info("the schema was changed", "migration", step.Name) })
	if err != nil {
		return err
	}
	if err := postgres.EnsureRole(ctx, pool, postgres.Login{User: opts.AppUser, Password: opts.appPassword}); err != nil {
		return err
	}
	if opts.platformKey.Reveal() != "" {
		if err := postgres.NewKeys(pool).Adopt(ctx, opts.platformKey.Hash(), time.Now()); err != nil {
			return err
		}
	}
	log.Info("the schema is up to date", "role", opts.AppUser)
	return nil
}
