// Package imports is `gmctl events import`.
package imports

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/events/service"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/importer"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// Options are the flags and dependencies of the command.
type Options struct {
	IO       *iostreams.IOStreams
	Service  func(context.Context) (service.Endpoint, error)
	StateDir func() (string, error) // of the environment: checkpoints are kept below it
	Now      func() time.Time

	Files       []string
	Format      string
	Delimiter   string
	Map         []string
	Rejects     string
	MaxErrors   int
	Connections int
	DryRun      bool
	Restart     bool
	Output      render.Format
	LogFormat   string
}

// Grace is how long batches on their way may take to end after Ctrl-C.
const Grace = 10 * time.Second

// NewCommand returns `gmctl events import`.
func NewCommand(f *factory.Factory) *cobra.Command {
	opts := &Options{IO: f.IO, Now: time.Now}
	opts.StateDir = func() (string, error) {
		dirs, err := paths.For(f.EnvName)
		return dirs.State, err
	}
	var target service.Target
	cmd := &cobra.Command{
		Use:   "import FILE… | -",
		Short: "Import a history of events from files",
		Long: `Import events from NDJSON or CSV files, plain or compressed with gzip or zstd.

An import that was interrupted goes on where it stopped when the same command is
run again. Nothing is stored twice, however often a file is imported: an event
without an eventId gets one that depends on its line and nothing else.

A line that is no event, or that the service refuses, is kept with its number
and the reason in FILE.rejects.ndjson; all others are stored. To have the lines
themselves back: jq -r .text FILE.rejects.ndjson

CSV needs a header. Its columns are playerId, eventType, timestamp, and
optionally eventId, metadata (a JSON object) and metadata.NAME (one value each;
numbers and booleans are taken as such). Columns with other names are mapped:
--map COLUMN=FIELD; FIELD - leaves the column out.

Batches on different connections overtake each other: with --connections 1 the
events are stored in the order of the file.

It exits with 0 when all events are stored, and 1 when some were rejected.`,
		Example: `  gmctl events import history.ndjson
  gmctl events import 2026-0*.csv.gz --map player_uuid=playerId --map lvl=metadata.level
  gmctl events import --dry-run history.ndjson
  zcat old.gz | jq -c .event | gmctl events import -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &problem.Error{What: "there is no file to import", Next: "name one or more files, or - for standard input", Kind: problem.Usage}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Files, opts.LogFormat, opts.Service = args, f.LogFormat, target.Resolver(f)
			return run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Format, "format", "", "`format` of the files: ndjson or csv (default: by their names)")
	flags.StringVar(&opts.Delimiter, "delimiter", ",", "the `character` between the fields of CSV; \\t is a tab")
	flags.StringArrayVar(&opts.Map, "map", nil, "the field that a CSV column holds, as `COLUMN=FIELD`; repeatable")
	flags.StringVar(&opts.Rejects, "rejects", "", "`file` for the lines that are not imported (default FILE.rejects.ndjson)")
	flags.IntVar(&opts.MaxErrors, "max-errors", -1, "stop after more rejected lines than this `number`; -1: never")
	flags.IntVar(&opts.Connections, "connections", 4, "`batches` on their way at a time")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "only check the lines: send and write nothing")
	flags.BoolVar(&opts.Restart, "restart", false, "begin at the first line, whatever was imported before")
	target.Flags(cmd)
	render.FormatFlag(cmd, &opts.Output)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"ndjson", "csv"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// importing turns the flags into what to import; the file and the service are
// still missing.
func (o *Options) importing() (importer.Options, error) {
	usage := func(what, next string) error {
		return &problem.Error{What: what, Next: next, Kind: problem.Usage}
	}
	base := importer.Options{
		Stdin: o.IO.In, MaxErrors: o.MaxErrors, Connections: o.Connections, Restart: o.Restart,
		RejectPath: o.Rejects, Now: o.Now, Grace: Grace, Map: map[string]string{},
	}
	switch importer.Format(o.Format) {
	case "", importer.NDJSON, importer.CSV:
		base.Format = importer.Format(o.Format)
	default:
		return base, usage(fmt.Sprintf("there is no format %q", o.Format), "choose ndjson or csv")
	}
	switch delimiter := strings.ReplaceAll(o.Delimiter, `\t`, "\t"); {
	case len(delimiter) != 1 || delimiter == "\"" || delimiter == "\n":
		return base, usage(fmt.Sprintf("--delimiter %q is not one character", o.Delimiter), `give one such as ; or \t`)
	default:
		base.Delimiter = delimiter[0]
	}
	for _, pair := range o.Map {
		cut := strings.LastIndex(pair, "=")
		if cut <= 0 || cut == len(pair)-1 {
			return base, usage(fmt.Sprintf("--map %q is not COLUMN=FIELD", pair), "give one such as --map player_uuid=playerId")
		}
		base.Map[pair[:cut]] = pair[cut+1:]
	}
	switch {
	case o.Rejects != "" && len(o.Files) > 1:
		return base, usage("--rejects names one file for the rejected lines of several", "import the files one by one, or leave --rejects out")
	case o.Connections < 1:
		return base, usage("--connections must be at least 1", "leave it out for 4")
	}
	base.Rules = service.AnyTime()
	if o.DryRun {
		base.Rules = event.DefaultRules()
		return base, nil
	}
	state, err := o.StateDir()
	if err != nil {
		return base, err
	}
	base.CheckpointDir = filepath.Join(state, "imports")
	return base, nil
}
