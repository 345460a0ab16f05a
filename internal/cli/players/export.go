package players

import (
	"bufio"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/database"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/pkg/event"
)

type exportOptions struct {
	IO     *iostreams.IOStreams
	Open   database.Open
	Player string
}

func newExportCommand(f *factory.Factory, open database.Open) *cobra.Command {
	opts := &exportOptions{IO: f.IO, Open: open}
	return &cobra.Command{
		Use:   "export ID",
		Short: "Print all stored events of a player, one a line",
		Long: `Print all events of a player that PostgreSQL holds, in the order of their
timestamps, one JSON object a line, as they stand in player.events.raw.

That is all: PostgreSQL is the system of record, and what Kafka still holds of the
player are the same events. Those that were rejected are no events; find them with
gmctl dlq list --player ID.`,
		Example: `  gmctl players export player-7 > player-7.ndjson
  gmctl players export player-7 | jq -r .eventType | sort | uniq -c`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Player = args[0]
			return runExport(cmd.Context(), opts)
		},
	}
}

func runExport(ctx context.Context, opts *exportOptions) error {
	pool, err := opts.Open(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	out, events := bufio.NewWriter(opts.IO.Out), 0
	var line []byte
	err = postgres.NewPlayers(pool).Export(ctx, opts.Player, func(r event.Received) error {
		if line, err = r.AppendJSON(line[:0]); err != nil {
			return err
		}
		events++
		_, err = out.Write(append(line, '\n'))
		return err
	})
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(opts.IO.Err, "%s %s of %s\n", opts.IO.Paint(iostreams.Green, "✓"), humanize.Plural(events, "event"), opts.Player)
	return nil
}
