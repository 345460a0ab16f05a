// Package keys is `gmctl keys`: the API keys of games.
package keys

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/cli/database"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/postgres"
)

// Store is where the keys are.
type Store interface {
	Keys(ctx context.Context) ([]apikey.Key, error)
	Create(ctx context.Context, key apikey.Key) error
	Revoke(ctx context.Context, id string, now time.Time) (apikey.Key, error)
	Rotate(ctx context.Context, id string, hash apikey.Hash, now time.Time, grace time.Duration) (before, after apikey.Key, err error)
}

var _ Store = (*postgres.Keys)(nil)

// options are what every verb works with.
type options struct {
	IO  *iostreams.IOStreams
	Now func() time.Time
	// With calls a function with the store, and lets go of it.
	With func(ctx context.Context, work func(Store) error) error
}

// NewCommand returns `gmctl keys`.
func NewCommand(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list, rotate and revoke the API keys of games",
		Long: `Make, list, rotate and revoke the API keys that games send their events with. A
key's text is printed once, when it is made; the database has only its SHA-256.
Running services know of a change within seconds.

` + database.Help,
		Example: `  gmctl keys create mygame --name "servers in Frankfurt"
  gmctl keys list
  gmctl keys rotate 3f2a9c1e77b0 --grace 48h
  gmctl keys revoke 3f2a9c1e77b0`,
		Args: cobra.NoArgs,
	}
	open := database.Flags(cmd, f)
	opts := &options{IO: f.IO, Now: time.Now}
	opts.With = func(ctx context.Context, work func(Store) error) error {
		pool, err := open(ctx)
		if err != nil {
			return err
		}
		defer pool.Close()
		return work(postgres.NewKeys(pool))
	}
	cmd.AddCommand(newCreateCommand(opts), newListCommand(opts), newRotateCommand(opts), newRevokeCommand(opts))
	return cmd
}
