// Package nodes is `gmctl nodes`: the nodes of the cluster, and other ones in
// their place.
package nodes

import (
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
)

// NewCommand returns `gmctl nodes` with its commands.
func NewCommand(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "Look at the cluster's nodes, and replace them",
		Example: `  gmctl nodes list -e dev
  gmctl nodes replace data --instance-type m7i.large -e dev`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newListCommand(f), newReplaceCommand(f))
	return cmd
}
