package schemas

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/database"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/schemas"
)

// document is a version of a schema, as -o json prints it.
type document struct {
	EventType string          `json:"eventType"`
	Version   int             `json:"version"`
	Mode      schemas.Mode    `json:"mode"`
	Active    bool            `json:"active"`
	CreatedAt time.Time       `json:"createdAt"`
	Schema    json.RawMessage `json:"schema"`
}

func documentOf(s schemas.Schema) document {
	return document{s.EventType, s.Version, s.Mode, s.Active, s.CreatedAt, s.Text}
}

type listOptions struct {
	IO     *iostreams.IOStreams
	Open   database.Open
	Now    func() time.Time
	All    bool
	Output render.Format
}

func newListCommand(f *factory.Factory, open database.Open) *cobra.Command {
	opts := &listOptions{IO: f.IO, Open: open, Now: time.Now}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the schemas in force",
		Example: "  gmctl schemas list\n  gmctl schemas list --all -o json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), opts) },
	}
	cmd.Flags().BoolVar(&opts.All, "all", false, "also versions that are no longer in force")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func runList(ctx context.Context, opts *listOptions) error {
	pool, err := opts.Open(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	find := postgres.NewSchemas(pool).Active
	if opts.All {
		find = postgres.NewSchemas(pool).All
	}
	found, err := find(ctx)
	if err != nil {
		return err
	}
	if opts.Output != render.Table {
		documents := make([]document, len(found))
		for i, s := range found {
			documents[i] = documentOf(s)
		}
		return render.Document(opts.IO.Out, opts.Output, "Schemas", documents)
	}
	t := render.NewTable(opts.IO, "TYPE", "VERSION", "MODE", "SINCE", "").AlignRight(1)
	for _, s := range found {
		state := ""
		if !s.Active {
			state = "not in force"
		}
		t.Row(s.EventType, strconv.Itoa(s.Version), string(s.Mode), humanize.Ago(s.CreatedAt, opts.Now()), t.Paint(iostreams.Faint, state))
	}
	if t.Len() == 0 {
		fmt.Fprintln(opts.IO.Err, "no event type has a schema; store one with gmctl schemas put")
	}
	return t.Flush()
}

type getOptions struct {
	IO      *iostreams.IOStreams
	Open    database.Open
	Type    string
	Version int
	Output  render.Format
}

func newGetCommand(f *factory.Factory, open database.Open) *cobra.Command {
	opts := &getOptions{IO: f.IO, Open: open}
	cmd := &cobra.Command{
		Use:     "get TYPE",
		Short:   "Print the schema of an event type as it was stored",
		Example: "  gmctl schemas get shop.purchase > purchase.schema.json\n  gmctl schemas get shop.purchase --version 1 -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Type = args[0]
			return runGet(cmd.Context(), opts)
		},
	}
	cmd.Flags().IntVar(&opts.Version, "version", 0, "this `version` instead of the one in force")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func runGet(ctx context.Context, opts *getOptions) error {
	pool, err := opts.Open(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	all, err := postgres.NewSchemas(pool).All(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.EventType != opts.Type || opts.Version == 0 && !s.Active || opts.Version != 0 && opts.Version != s.Version {
			continue
		}
		if opts.Output != render.Table {
			return render.Document(opts.IO.Out, opts.Output, "Schema", documentOf(s))
		}
		_, err := fmt.Fprintf(opts.IO.Out, "%s\n", bytes.TrimRight(s.Text, "\n"))
		return err
	}
	return none(opts.Type)
}

func none(eventType string) error {
	return &problem.Error{What: "there is no such schema of " + eventType, Next: "see which there are: gmctl schemas list --all"}
}

type deleteOptions struct {
	IO   *iostreams.IOStreams
	Open database.Open
	Type string
}

func newDeleteCommand(f *factory.Factory, open database.Open) *cobra.Command {
	opts := &deleteOptions{IO: f.IO, Open: open}
	return &cobra.Command{
		Use:   "delete TYPE",
		Short: "Have events of a type no longer checked",
		Long: `Have events of a type no longer checked, within seconds. The versions stay, to be
looked up (list --all, get --version) and put again.`,
		Example: "  gmctl schemas delete shop.purchase",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Type = args[0]
			return runDelete(cmd.Context(), opts)
		},
	}
}

func runDelete(ctx context.Context, opts *deleteOptions) error {
	pool, err := opts.Open(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	there, err := postgres.NewSchemas(pool).Delete(ctx, opts.Type)
	if err != nil {
		return err
	}
	if !there {
		return none(opts.Type)
	}
	fmt.Fprintf(opts.IO.Err, "%s %s is no longer checked\n", opts.IO.Paint(iostreams.Green, "✓"), opts.Type)
	return nil
}
