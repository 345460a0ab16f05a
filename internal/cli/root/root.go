// Package root is the command gmctl itself: global flags, the list of commands,
// and how errors are printed.
package root

import (
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/version"
)

// NewCommand returns gmctl with all its commands.
func NewCommand(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:           "gmctl",
		Short:         "Run GameMetrics Pro, the real-time game analytics platform",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	flags := cmd.PersistentFlags()
	flags.StringVarP(&f.EnvName, "env", "e", "local", "`name` of the environment")
	flags.StringVar(&f.ConfigPath, "config", "", "configuration `file` (default: the nearest gmctl.yaml)")
	flags.StringVar(&f.LogFormat, "log-format", "text", "`format` of status lines: text or json")

	cmd.AddCommand(
		version.NewCommand(f),
	)
	return cmd
}
