// Package schemas is `gmctl schemas`: the JSON Schemas that the metadata of events
// is held to.
package schemas

import (
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/database"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
)

// NewCommand returns `gmctl schemas` with its subcommands.
func NewCommand(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schemas",
		Short: "Say what the metadata of events must be like, by event type",
		Long: `Keep JSON Schemas (2020-12) of the metadata of events, one an event type. The
ingestion service learns of a change within seconds, without a restart. A type
that has no schema is not checked.

A schema is strict (events that break it are rejected, with code "schema" and the
field) or reports (they are stored, and counted in
gamemetrics_ingestion_schema_breaches_total). It is never stricter than the service
is told to be (gmctl serve ingestion --schema-mode), nor than the API key that events
come with (gmctl keys create --schema-mode).

` + database.Help,
		Example: `  gmctl schemas check purchase.schema.json events.ndjson
  gmctl schemas put shop.purchase purchase.schema.json --mode report
  gmctl schemas list`,
	}
	open := database.Flags(cmd, f)
	cmd.AddCommand(
		newCheckCommand(f),
		newDeleteCommand(f, open),
		newGetCommand(f, open),
		newListCommand(f, open),
		newPutCommand(f, open),
	)
	return cmd
}
