package players

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

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
		Long: `Print all that PostgreSQL holds of a player, one JSON object a line: the events, in
the order of their timestamps, as they stand in player.events.raw, and then the
rejected events that are kept (dead letters), in the order in which they came. These
have a member "rejected" with the reason, receivedAt, and what came as event where it
is JSON, else as text, or as eventBase64 where it is no text.

PostgreSQL is the system of record. What Kafka holds of the player in
player.events.raw are the same events. In dlq.events there may be more: where rejected
events were many PostgreSQL has let go of the oldest after they were published. Find
them with gmctl dlq list --all --player ID.`,
		Example: `  gmctl players export player-7 > player-7.ndjson
  gmctl players export player-7 | jq -r '.eventType // "rejected"' | sort | uniq -c`,
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
	out, events, letters := bufio.NewWriter(opts.IO.Out), 0, 0
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	var line []byte
	err = postgres.NewPlayers(pool).Export(ctx, opts.Player, func(r event.Received) error {
		if line, err = r.AppendJSON(line[:0]); err != nil {
			return err
		}
		events++
		_, err = out.Write(append(line, '\n'))
		return err
	}, func(r postgres.Rejected) error {
		letters++
		return encoder.Encode(lineOf(opts.Player, r))
	})
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(opts.IO.Err, "%s %s and %s of %s\n", opts.IO.Paint(iostreams.Green, "✓"),
		humanize.Plural(events, "event"), humanize.Plural(letters, "rejected event"), opts.Player)
	return nil
}

// rejectedLine is how a rejected event is printed.
type rejectedLine struct {
	PlayerID    string          `json:"playerId"`
	ReceivedAt  time.Time       `json:"receivedAt"`
	Rejected    rejection       `json:"rejected"`
	Event       json.RawMessage `json:"event,omitempty"`       // where it is JSON
	Text        string          `json:"text,omitempty"`        // where it is other text
	EventBase64 []byte          `json:"eventBase64,omitempty"` // where it is no text
}

type rejection struct {
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

func lineOf(player string, r postgres.Rejected) rejectedLine {
	line := rejectedLine{PlayerID: player, ReceivedAt: r.KeptAt, Rejected: rejection{r.Reason, r.Detail}}
	switch {
	case !utf8.Valid(r.Body):
		line.EventBase64 = r.Body
	case json.Valid(r.Body):
		line.Event = r.Body
	default:
		line.Text = string(r.Body)
	}
	return line
}
