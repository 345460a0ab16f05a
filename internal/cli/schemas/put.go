package schemas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/cli/database"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/schemas"
)

type putOptions struct {
	IO   *iostreams.IOStreams
	Open database.Open
	Type string
	File string
	Mode string
}

func newPutCommand(f *factory.Factory, open database.Open) *cobra.Command {
	opts := &putOptions{IO: f.IO, Open: open}
	cmd := &cobra.Command{
		Use:   "put TYPE FILE",
		Short: "Store a schema as the next version for an event type, and use it",
		Long: `Store the JSON Schema in a file (- is standard input) as the next version for an
event type. It is in force within seconds. A schema that is not valid is refused,
with the place of the mistake.

The schema is of the event's metadata, which is always an object; an event without
metadata is checked as one with {}. Formats are asserted. A pattern is in Go's
syntax, without look-around. A schema may only refer ($ref) to what stands in it.`,
		Example: `  gmctl schemas put shop.purchase purchase.schema.json
  gmctl schemas put shop.purchase - --mode report < purchase.schema.json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Type, opts.File = args[0], args[1]
			return runPut(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Mode, "mode", string(schemas.Strict), "what becomes of events that break it: strict or report (`mode`)")
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{string(schemas.Strict), string(schemas.Report)}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runPut(ctx context.Context, opts *putOptions) error {
	if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.:-]{0,63}$`).MatchString(opts.Type) {
		return usage(fmt.Sprintf("%q is no event type", opts.Type), "give a letter and up to 63 letters, digits, '_', '.', ':' or '-'")
	}
	mode := schemas.Mode(opts.Mode)
	if mode != schemas.Strict && mode != schemas.Report {
		return usage(fmt.Sprintf("--mode does not take %q", opts.Mode), "choose strict or report")
	}
	text, _, err := compiled(opts.IO, opts.File)
	if err != nil {
		return err
	}
	pool, err := opts.Open(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	version, err := postgres.NewSchemas(pool).Put(ctx, opts.Type, mode, text)
	if err != nil {
		return err
	}
	fmt.Fprintf(opts.IO.Err, "%s %s has version %d, %s\n", opts.IO.Paint(iostreams.Green, "✓"), opts.Type, version, mode)
	keys, err := postgres.NewKeys(pool).Keys(ctx)
	if err != nil {
		return err
	}
	if n := weaker(keys, mode, time.Now()); n > 0 {
		fmt.Fprintf(opts.IO.Err, "%s for the events of %s it holds less: column SCHEMAS of gmctl keys list\n",
			opts.IO.Paint(iostreams.Yellow, "!"), humanize.Plural(n, "API key"))
	}
	return nil
}

// weaker is how many of the keys do not let a schema's mode hold.
func weaker(keys []apikey.Key, mode schemas.Mode, now time.Time) int {
	n := 0
	for i := range keys {
		if keys[i].State(now) == apikey.Valid && keys[i].SchemaMode.And(mode) != mode {
			n++
		}
	}
	return n
}

// compiled reads and compiles the schema in a file.
func compiled(streams *iostreams.IOStreams, file string) ([]byte, *schemas.Compiled, error) {
	text, err := read(streams, file)
	if err != nil {
		return nil, nil, err
	}
	schema, err := schemas.Compile(text)
	if mistake, ok := errors.AsType[*schemas.Mistake](err); ok {
		return nil, nil, &problem.Error{What: name(file) + " is no valid JSON Schema", Cause: mistake, Next: "correct it: https://json-schema.org/understanding-json-schema", Kind: problem.Usage}
	}
	return text, schema, err
}

func read(streams *iostreams.IOStreams, file string) (text []byte, err error) {
	if file == "-" {
		text, err = io.ReadAll(io.LimitReader(streams.In, schemas.MaxText+1))
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, &problem.Error{What: name(file) + " cannot be read", Cause: err, Next: "check the path", Kind: problem.Usage}
	}
	return text, nil
}

func name(file string) string {
	if file == "-" {
		return "standard input"
	}
	return file
}

func usage(what, next string) error {
	return &problem.Error{What: what, Next: next, Kind: problem.Usage}
}
