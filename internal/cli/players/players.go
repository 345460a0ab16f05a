// Package players is `gmctl players`: what a player may ask for, by law in many
// places: a copy of what is stored, and that it be erased.
package players

import (
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/database"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
)

// NewCommand returns `gmctl players` with its subcommands.
func NewCommand(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "players",
		Short: "Export or erase all that is stored of one player",
		Long: `Give out or erase what is stored of one player (GDPR, articles 15, 17 and 20).

` + database.Help,
		Example: `  gmctl players export player-7 > player-7.ndjson
  gmctl players erase player-7`,
	}
	open := database.Flags(cmd, f)
	cmd.AddCommand(newExportCommand(f, open), newEraseCommand(f, open))
	return cmd
}
