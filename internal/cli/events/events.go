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
	}
	cmd.AddCommand(
		imports.NewCommand(f),
		send.NewCommand(f),
		simulate.NewCommand(f),
		tail.NewCommand(f),
	)
	return cmd
}
