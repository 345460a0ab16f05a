// Package serve is `gmctl serve`: the platform's services, each as a process of
// its own.
package serve

import (
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/serve/local"
)

// NewCommand returns `gmctl serve`.
func NewCommand(*factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve SERVICE",
		Short: "Run one of the platform's services",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(
		local.NewCommand(),
	)
	return cmd
}
