// Package serve is `gmctl serve`: the platform's services, each as a process of
// its own.
package serve

import (
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/serve/ingestion"
	"github.com/gamemetrics/gmctl/internal/cli/serve/local"
	"github.com/gamemetrics/gmctl/internal/cli/serve/passage"
	"github.com/gamemetrics/gmctl/internal/cli/serve/relay"
	"github.com/gamemetrics/gmctl/internal/cli/serve/schema"
)

// NewCommand returns `gmctl serve`.
func NewCommand(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve SERVICE",
		Short: "Run one of the platform's services",
		Long: `Run one of the platform's services as a process of its own, as a cluster does.
On your own machine ` + "`gmctl up`" + ` runs them all.`,
		Example: `  gmctl serve ingestion --help`,
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(
		ingestion.NewCommand(f),
		local.NewCommand(),
		passage.NewCommand(f),
		relay.NewCommand(f),
		schema.NewCommand(f),
	)
	return cmd
}
