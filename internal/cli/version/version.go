// Package version is `gmctl version`.
package version

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/render"
)

// NewCommand returns `gmctl version`.
func NewCommand(f *factory.Factory) *cobra.Command {
	var output render.Format
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of gmctl",
		Example: `  gmctl version
  gmctl version -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != render.Table {
				return render.Document(f.IO.Out, output, "Version", f.Build)
			}
			_, err := fmt.Fprintf(f.IO.Out, "gmctl %s (%s, %s)\n", f.Build.Version, f.Build.Go, f.Build.Platform)
			return err
		},
	}
	render.FormatFlag(cmd, &output)
	return cmd
}
