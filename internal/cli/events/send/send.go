// Package send is `gmctl events send`.
package send

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/events/service"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// Options are the flags and dependencies of the command.
type Options struct {
	IO      *iostreams.IOStreams
	Service func(context.Context) (service.Endpoint, error)
	Now     func() time.Time

	File      string // of the event as JSON; "-" is standard input
	Player    string
	Type      string
	Timestamp string
	Metadata  []string
	ID        string
	TestRun   string
	Output    render.Format
}

// Sent is what the command prints.
type Sent struct {
	EventID   string    `json:"eventId"`
	PlayerID  string    `json:"playerId"`
	EventType string    `json:"eventType"`
	Timestamp time.Time `json:"timestamp"`
	URL       string    `json:"url"`
}

// maxInput is the longest event that is read, in bytes; the service takes less.
const maxInput = 1 << 20

// NewCommand returns `gmctl events send`.
func NewCommand(f *factory.Factory) *cobra.Command {
	opts := &Options{IO: f.IO, Now: time.Now}
	var target service.Target
	cmd := &cobra.Command{
		Use:   "send",
		Short: "Send one event and print its id",
		Long: `Send one event, from flags or as JSON from a file or standard input, and print
its id when it is stored. Sending an event again under the same id and timestamp
stores it once.

--metadata takes a JSON object, or key=value pairs: a value that is JSON (3,
true, "text", [1,2]) is taken as such, anything else as text.`,
		Example: `  gmctl events send --player p1 --type login
  gmctl events send --player p1 --type level_complete --metadata level=3 --metadata stars=2
  gmctl events send --player p1 --type purchase --metadata '{"sku":"gems","price":4.99}'
  gmctl events send --file event.json
  echo '{"playerId":"p1","eventType":"login","timestamp":"'$(date -u +%FT%TZ)'"}' | gmctl events send`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.Service = target.Resolver(f)
			return run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Player, "player", "", "`id` of the player")
	flags.StringVar(&opts.Type, "type", "", "`type` of the event, such as login")
	flags.StringVar(&opts.Timestamp, "timestamp", "", "`time` at which it happened, in RFC 3339 (default now)")
	flags.StringArrayVar(&opts.Metadata, "metadata", nil, "`key=value`, or a JSON object; repeatable")
	flags.StringVar(&opts.ID, "id", "", "`UUID` of the event (default: a new one)")
	flags.StringVar(&opts.TestRun, "test-run", "", "mark the event as part of a test: every consumer skips it; `id` of the test run")
	flags.StringVarP(&opts.File, "file", "f", "", "read the event as JSON from a `file`; - is standard input")
	cmd.MarkFlagsMutuallyExclusive("file", "player")
	cmd.MarkFlagsMutuallyExclusive("file", "type")
	target.Flags(cmd)
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	e, err := opts.event()
	if err != nil {
		return err
	}
	to, err := opts.Service(ctx)
	if err != nil {
		return err
	}
	sender, err := service.Sender(to, opts.TestRun)
	if err != nil {
		return &problem.Error{What: "the service cannot be asked", Cause: err, Kind: problem.Usage}
	}
	defer sender.Close()
	id, err := sender.Send(ctx, e)
	if err != nil {
		return service.Explain(err, to.URL)
	}
	return opts.print(Sent{EventID: id.String(), PlayerID: e.PlayerID, EventType: e.EventType, Timestamp: e.Timestamp, URL: to.URL})
}

func (o *Options) print(sent Sent) error {
	if o.Output != render.Table {
		return render.Document(o.IO.Out, o.Output, "SentEvent", sent)
	}
	_, err := fmt.Fprintln(o.IO.Out, sent.EventID)
	return err
}

// event is what the flags or the file say.
func (o *Options) event() (event.Event, error) {
	if o.Player == "" && o.Type == "" {
		return o.read()
	}
	e := event.Event{PlayerID: o.Player, EventType: o.Type, Timestamp: o.Now().UTC().Truncate(time.Microsecond)}
	if o.ID != "" {
		id, err := uuid.Parse(o.ID)
		if err != nil {
			return e, usage(fmt.Sprintf("--id %q is not a UUID", o.ID), "give one such as 01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b10, or leave it out")
		}
		e.EventID = id
	}
	if o.Timestamp != "" {
		at, err := time.Parse(time.RFC3339Nano, o.Timestamp)
		if err != nil {
			return e, usage(fmt.Sprintf("--timestamp %q is not an RFC 3339 time", o.Timestamp), "give one such as 2026-03-01T18:30:00Z, or leave it out for now")
		}
		e.Timestamp = at.UTC()
	}
	var err error
	e.Metadata, err = metadata(o.Metadata)
	return e, err
}

func usage(what, next string) error {
	return &problem.Error{What: what, Next: next, Kind: problem.Usage}
}

// read reads the event from the file or standard input. Whether its time lies
// in the accepted window is for the service to say.
func (o *Options) read() (event.Event, error) {
	input, name := o.IO.In, "standard input"
	switch {
	case o.File != "" && o.File != "-":
		file, err := os.Open(o.File)
		if err != nil {
			return event.Event{}, &problem.Error{What: "the event cannot be read from " + o.File, Cause: errors.Unwrap(err), Next: "check the path given with --file", Kind: problem.Usage}
		}
		defer file.Close()
		input, name = file, o.File
	case o.File == "" && o.IO.InTTY:
		return event.Event{}, usage("there is no event to send", "give --player and --type, or the event as JSON with --file or on standard input")
	}
	if len(o.Metadata) > 0 || o.ID != "" || o.Timestamp != "" {
		return event.Event{}, usage("an event from "+name+" takes no --metadata, --id or --timestamp", "put them into the JSON, or give --player and --type too")
	}
	data, err := io.ReadAll(io.LimitReader(input, maxInput))
	if err != nil {
		return event.Event{}, &problem.Error{What: "the event cannot be read from " + name, Cause: err}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return event.Event{}, usage("there is no event to send: "+name+" is empty", "give --player and --type, or the event as JSON")
	}
	e, err := event.NewDecoder(service.AnyTime()).Decode(data, o.Now())
	if invalid, ok := errors.AsType[*event.Invalid](err); ok {
		return e, service.Invalid(invalid.Fields)
	}
	return e, err
}
