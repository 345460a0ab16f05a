package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/events/service"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/pkg/event"
)

type checkOptions struct {
	IO     *iostreams.IOStreams
	Schema string
	Events string
	Type   string
}

func newCheckCommand(f *factory.Factory) *cobra.Command {
	opts := &checkOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "check SCHEMA-FILE EVENTS-FILE",
		Short: "Check a file of events against a schema, offline",
		Long: `Check the events in a file, one a line, against the schema in another, as the
ingestion service would, and print what breaks it: line and field. Nothing is sent
or stored, and no service is asked. Events of other types than --type are skipped.`,
		Example: `  gmctl schemas check purchase.schema.json events.ndjson --type shop.purchase
  gmctl events tail --no-follow -o json > seen.ndjson; gmctl schemas check new.schema.json seen.ndjson`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			opts.Schema, opts.Events = args[0], args[1]
			return runCheck(opts)
		},
	}
	cmd.Flags().StringVar(&opts.Type, "type", "", "only events of this `type`")
	return cmd
}

func runCheck(opts *checkOptions) error {
	_, schema, err := compiled(opts.IO, opts.Schema)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(opts.Events)
	if err != nil {
		return &problem.Error{What: opts.Events + " cannot be read", Cause: err, Next: "check the path", Kind: problem.Usage}
	}
	checked, broken, number := 0, 0, 0
	for line := range bytes.Lines(data) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		fields, skip := check(schema, line, opts.Type)
		if skip {
			continue
		}
		checked++
		if len(fields) > 0 {
			broken++
		}
		for _, f := range fields {
			fmt.Fprintf(opts.IO.Out, "%s:%d: %s\n", opts.Events, number, f)
		}
	}
	if broken > 0 {
		return &problem.Error{What: fmt.Sprintf("%d of %s break the schema", broken, humanize.Plural(checked, "event")), Next: "correct them, or the schema"}
	}
	fmt.Fprintf(opts.IO.Err, "%s %s, none breaks the schema\n", opts.IO.Paint(iostreams.Green, "✓"), humanize.Plural(checked, "event"))
	return nil
}

// check returns what is wrong with one event, or that it is of another type. An
// event as it stands in player.events.raw is taken too.
func check(schema *schemas.Compiled, line []byte, eventType string) (fields []event.FieldError, skip bool) {
	e, err := event.NewDecoder(service.AnyTime()).Decode(line, time.Now())
	if invalid, ok := errors.AsType[*event.Invalid](err); ok {
		received, err := event.DecodeReceived(line)
		if err != nil {
			var said struct {
				EventType string `json:"eventType"`
			}
			other := json.Unmarshal(line, &said) == nil && eventType != "" && said.EventType != eventType
			return invalid.Fields, other
		}
		e = received.Event
	}
	if eventType != "" && e.EventType != eventType {
		return nil, true
	}
	return schema.Check(e.Metadata), false
}
