package keys

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/cli/duration"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

func newRevokeCommand(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "End an API key: services turn it away within seconds",
		Example: `  gmctl keys revoke 3f2a9c1e77b0`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRevoke(cmd.Context(), opts, args[0])
		},
	}
}

func runRevoke(ctx context.Context, opts *options, given string) error {
	id := idOf(given)
	return opts.With(ctx, func(store Store) error {
		key, err := store.Revoke(ctx, id, opts.Now())
		if err != nil {
			return err
		}
		fmt.Fprintf(opts.IO.Err, "The key %s of %s is revoked since %s.\n", id, gameOf(key), key.RevokedAt.UTC().Format(time.RFC3339))
		return nil
	})
}

// idOf is what was typed, or the id of the key whose text was: who has found a
// leaked key has no other name for it.
func idOf(given string) string {
	if secret := apikey.Read(given); secret.WellFormed() {
		return secret.Hash().ID()
	}
	return given
}

type rotateOptions struct {
	*options
	ID     string
	Grace  time.Duration
	Output render.Format
}

func newRotateCommand(shared *options) *cobra.Command {
	opts := &rotateOptions{options: shared}
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Put a new API key in the place of one, which stays valid for a while",
		Long: `Make a key like another one and print it on stdout, this once. The other one stays
valid for the time of --grace, so that what uses it can be changed meanwhile.`,
		Example: `  gmctl keys rotate 3f2a9c1e77b0
  gmctl keys rotate 3f2a9c1e77b0 --grace 7d`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.ID = args[0]
			return runRotate(cmd.Context(), opts)
		},
	}
	duration.Var(cmd.Flags(), &opts.Grace, "grace", 24*time.Hour, "how long the old key stays valid")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func runRotate(ctx context.Context, opts *rotateOptions) error {
	secret := apikey.New()
	var before, after apikey.Key
	err := opts.With(ctx, func(store Store) (err error) {
		before, after, err = store.Rotate(ctx, idOf(opts.ID), secret.Hash(), opts.Now(), opts.Grace)
		return err
	})
	if err != nil {
		return problem.From(err)
	}
	return opts.tell(after, secret, opts.Output, fmt.Sprintf("The key %s takes the place of %s, which stays valid until %s. It is shown this once.",
		after.ID, before.ID, before.ExpiresAt.UTC().Format(time.RFC3339)))
}
