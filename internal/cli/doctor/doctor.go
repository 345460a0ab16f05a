// Package doctor is `gmctl doctor`: what the machine lacks, and how to get it.
package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/doctor"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/local"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Options are what `gmctl doctor` works with.
type Options struct {
	IO      *iostreams.IOStreams
	Checks  []doctor.Check // nil: those for the subject
	Machine doctor.Machine
	Subject func() (doctor.Subject, error)

	Output render.Format
}

// Document is the data of a document of the kind Doctor.
type Document struct {
	Environment string          `json:"environment"`
	Fit         bool            `json:"fit"` // nothing that is needed is missing
	Checks      []doctor.Result `json:"checks"`
}

// NewCommand returns `gmctl doctor`.
func NewCommand(f *factory.Factory) *cobra.Command {
	return newCommand(f, func(ctx context.Context, opts *Options) error {
		opts.Machine = doctor.This()
		return run(ctx, opts)
	})
}

func newCommand(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check that the machine can run the environment, and say what to install",
		Long: `Look at the machine: system, memory, disk, directories, clock, PostgreSQL's
programs, ports, what an earlier run left; for an environment on AWS at terraform,
the credentials, the account and the region instead. Each line says what was found;
where something is wrong, why it matters and what to do. Nothing is changed.

Exit code 0: the environment can run, perhaps with warnings (!).
Exit code 5: something it needs is missing (✗).`,
		Example: `  gmctl doctor
  gmctl doctor -e dev
  gmctl doctor -o json | jq '.data.checks[] | select(.status != "ok")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.Subject = func() (doctor.Subject, error) { return subject(f) }
			return runF(cmd.Context(), opts)
		},
	}
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

// subject is the environment that --env names.
func subject(f *factory.Factory) (doctor.Subject, error) {
	env, err := f.Environment(environment.Options{})
	if err != nil {
		return doctor.Subject{}, err
	}
	cfg, err := f.Config()
	if err != nil {
		return doctor.Subject{}, err
	}
	s := doctor.Subject{Env: env.Name, Provider: env.Provider, Dirs: env.Dirs}
	if built, err := time.Parse(time.RFC3339, f.Build.Date); err == nil {
		s.Built = built
	}
	if env.Provider == config.ProviderAWS {
		s.AWS, s.DataDir = cfg.Environments[env.Name].AWS, env.Dirs.Data
		return s, nil
	}
	settings := cfg.Environments[env.Name].Local
	spec, err := local.NewSpec(env.Name, env.Dirs, settings, nil)
	if err != nil {
		return doctor.Subject{}, err
	}
	settings.Kafka.Brokers = spec.Brokers // those that an earlier `up` was given, too
	s.DataDir, s.Config = spec.Postgres, settings
	return s, nil
}

func run(ctx context.Context, opts *Options) error {
	subject, err := opts.Subject()
	if err != nil {
		return err
	}
	if opts.Checks == nil {
		opts.Checks = doctor.For(subject)
	}
	results := doctor.Run(ctx, opts.Checks, opts.Machine, subject)
	if err := ctx.Err(); err != nil {
		return err
	}
	lacking := doctor.Lacking(results)
	if opts.Output != render.Table {
		document := Document{Environment: subject.Env, Fit: len(lacking) == 0, Checks: results}
		if err := render.Document(opts.IO.Out, opts.Output, "Doctor", document); err != nil {
			return err
		}
	} else if err := printTable(opts.IO, results); err != nil {
		return err
	}
	return verdict(subject.Env, lacking)
}

// verdict is nil where the environment can run.
func verdict(env string, lacking []doctor.Result) error {
	if len(lacking) == 0 {
		return nil
	}
	var names []string
	for _, result := range lacking {
		names = append(names, result.Check)
	}
	return &problem.Error{
		What: fmt.Sprintf("the environment %s cannot run on this machine: %s", env, strings.Join(names, ", ")),
		Next: lacking[0].Next,
		Kind: problem.Missing,
	}
}

// printTable prints a line a check, and below it what is wrong and what to do.
func printTable(io *iostreams.IOStreams, results []doctor.Result) error {
	width := 0
	for _, result := range results {
		width = max(width, len(result.Check))
	}
	indent := strings.Repeat(" ", width+4)
	room := 0
	if io.OutTTY {
		room = max(20, min(100, io.Width()-1)-len(indent)-6)
	}
	var b strings.Builder
	for _, result := range results {
		fmt.Fprintf(&b, "%s %-*s  %s\n", mark(io, result.Status), width, result.Check, result.Found)
		for _, part := range []struct{ label, text string }{{"why:  ", result.Why}, {"next: ", result.Next}} {
			if part.text == "" {
				continue
			}
			lines := []string{part.text}
			if room > 0 {
				lines = render.Wrap(part.text, room)
			}
			for i, line := range lines {
				label := part.label
				if i > 0 {
					label = strings.Repeat(" ", len(part.label))
				}
				b.WriteString(indent + io.PaintOut(iostreams.Faint, label) + line + "\n")
			}
		}
	}
	_, err := io.Out.Write([]byte(b.String()))
	return err
}

func mark(io *iostreams.IOStreams, status doctor.Status) string {
	switch status {
	case doctor.OK:
		return io.PaintOut(iostreams.Green, "✓")
	case doctor.Warning:
		return io.PaintOut(iostreams.Yellow, "!")
	case doctor.Missing:
		return io.PaintOut(iostreams.Red, "✗")
	}
	return io.PaintOut(iostreams.Faint, "-")
}
