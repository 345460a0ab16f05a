package dlq

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/deadletters"
	"github.com/gamemetrics/gmctl/internal/render"
)

type options struct {
	IO     *iostreams.IOStreams
	Kafka  connection.Source
	Now    func() time.Time
	Choice choice
	Output render.Format
}

func newListCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &options{IO: f.IO, Kafka: source, Now: time.Now}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the dead letters about which something is left to do",
		Example: `  gmctl dlq list
  gmctl dlq list --reason schema --since 24h
  gmctl dlq list --all -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), opts) },
	}
	opts.Choice.flags(cmd)
	cmd.Flags().BoolVar(&opts.Choice.filter.Done, "all", false, "also letters that were replayed or discarded")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func runList(ctx context.Context, opts *options) error {
	if err := opts.Choice.complete(opts.Now()); err != nil {
		return err
	}
	queue, err := connect(ctx, opts.Kafka)
	if err != nil {
		return err
	}
	defer queue.Close()
	letters, err := opts.Choice.letters(ctx, queue)
	if err != nil {
		return err
	}
	if opts.Output != render.Table {
		documents := make([]document, len(letters))
		for i, l := range letters {
			documents[i] = documentOf(l)
		}
		return render.Document(opts.IO.Out, opts.Output, "DeadLetters", documents)
	}
	t := render.NewTable(opts.IO, "LETTER", "WHEN", "SOURCE", "REASON", "GAME", "PLAYER", "EVENT", "STATE", "DETAIL")
	for _, l := range letters {
		t.Row(l.ID, humanize.Ago(l.Time, opts.Now()), l.Source, l.Reason, l.Game, kafka.Printable([]byte(l.Player)), kafka.Printable([]byte(l.EventID)), stateOf(l.State), render.OneLine(l.Detail))
	}
	if t.Len() == 0 {
		fmt.Fprintln(opts.IO.Err, "no dead letters")
	}
	return t.Flush()
}

func stateOf(s deadletters.State) string {
	if s.By == "" || s.Status == deadletters.Open {
		return string(s.Status)
	}
	return string(s.Status) + " by " + s.By
}

// document is a letter as -o json prints it.
type document struct {
	Letter      string               `json:"letter"`
	Time        time.Time            `json:"time"`
	Status      deadletters.Status   `json:"status"`
	By          string               `json:"by,omitempty"`
	At          time.Time            `json:"at,omitzero"`
	Reason      string               `json:"reason"`
	Detail      string               `json:"detail,omitempty"`
	Source      string               `json:"source"`
	Topic       string               `json:"topic,omitempty"`
	Game        string               `json:"game,omitempty"`
	PlayerID    string               `json:"playerId,omitempty"`
	EventID     string               `json:"eventId,omitempty"`
	Event       json.RawMessage      `json:"event,omitempty"`       // where it is JSON
	Text        string               `json:"text,omitempty"`        // where it is other text
	EventBase64 []byte               `json:"eventBase64,omitempty"` // where it is no text
	Headers     []deadletters.Header `json:"headers"`
}

func documentOf(l deadletters.Letter) document {
	d := document{
		Letter: l.ID, Time: l.Time, Status: l.Status, By: l.By, At: l.At, Reason: l.Reason, Detail: l.Detail, Source: l.Source, Game: l.Game,
		Topic: l.Topic, PlayerID: l.Player, EventID: l.EventID, Headers: render.List(l.Headers),
	}
	switch {
	case utf8.Valid(l.Value) && json.Valid(l.Value):
		d.Event = l.Value
	case utf8.Valid(l.Value):
		d.Text = string(l.Value)
	default:
		d.EventBase64 = l.Value
	}
	return d
}
