// Package events is `gmctl events`.
package events

import (
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/events/imports"
	"github.com/gamemetrics/gmctl/internal/cli/events/send"
	"github.com/gamemetrics/gmctl/internal/cli/events/simulate"
	"github.com/gamemetrics/gmctl/internal/cli/events/tail"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
)

// NewCommand returns `gmctl events` with its commands.
func NewCommand(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Send, follow, simulate and import player events",
		Long: `Work with player events from the terminal: send one, follow what the platform
publishes, let a population of players play, or import a history.

They go to the ingestion service of the environment, or to the one that --url or
$GMCTL_URL names, with the API key of $GMCTL_API_KEY. Without that variable an
environment on AWS takes a key of its own from the cluster: its events are of the
game gmctl.`,
		Example: `  gmctl events send --player ada --type login
  gmctl events tail
  gmctl events simulate --rate 500 --duration 1m
  gmctl events import history.ndjson.gz`,
	}
	cmd.AddCommand(
		imports.NewCommand(f),
		send.NewCommand(f),
		simulate.NewCommand(f),
		tail.NewCommand(f),
	)
	return cmd
}
