package root

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Execute runs the command line args (without the program's name), prints its
// error, if any, in its three parts, and returns the code to exit with.
func Execute(ctx context.Context, f *factory.Factory, args []string) int {
	err := addressed(f, run(ctx, f, args))
	if f.LogFormat == logJSON || asksForJSON(args) {
		render.ProblemLine(f.IO, err)
	} else {
		render.Problem(f.IO, err)
	}
	if closeErr := f.Close(context.WithoutCancel(ctx)); closeErr != nil {
		fmt.Fprintln(f.IO.Err, f.IO.Paint(iostreams.Yellow, "!"), closeErr)
	}
	return exitcode.Of(err)
}

// addressed is err with a remedy for the environment that the command was for.
func addressed(f *factory.Factory, err error) error {
	if err == nil || f.EnvName == config.LocalName || render.WasShown(err) {
		return err
	}
	return problem.Addressed(problem.From(err), f.EnvName)
}

func run(ctx context.Context, f *factory.Factory, args []string) error {
	cmd := NewCommand(f)
	cmd.SetIn(f.IO.In)
	cmd.SetOut(f.IO.Out)
	cmd.SetErr(f.IO.Err)
	cmd.SetArgs(args)
	cmd.SetFlagErrorFunc(flagProblem)
	if err := unknownCommand(cmd, args); err != nil {
		return err
	}
	// What fails before a command's work begins is wrong with the command line.
	working := false
	each(cmd, func(c *cobra.Command) {
		if work := c.RunE; work != nil {
			c.RunE = func(cmd *cobra.Command, args []string) error {
				working = true
				return work(cmd, args)
			}
		}
	})
	called, err := cmd.ExecuteContextC(ctx)
	if err != nil && !working {
		return argumentProblem(called, err)
	}
	return interrupted(ctx, called, err)
}

// interrupted makes of an error that only says that the context ended one that
// says why: the user wanted it. What knows better how to go on has said so.
func interrupted(ctx context.Context, cmd *cobra.Command, err error) error {
	if ctx.Err() == nil || !errors.Is(err, context.Canceled) || render.WasShown(err) {
		return err
	}
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind != problem.Failed {
		return err
	}
	return &problem.Error{What: "interrupted: " + cmd.CommandPath(), Next: "run it again when you like", Kind: problem.Cancelled}
}

// each calls do with cmd and everything below it.
func each(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, c := range cmd.Commands() {
		each(c, do)
	}
}

// The values of --log-format.
const (
	logText = "text"
	logJSON = "json"
)

// logFormat is the flag --log-format.
type logFormat struct{ value *string }

func (l logFormat) String() string {
	if l.value == nil {
		return logText
	}
	return *l.value
}

// Type names the value in help texts.
func (l logFormat) Type() string { return "format" }

// Set accepts the name of a format.
func (l logFormat) Set(name string) error {
	if name != logText && name != logJSON {
		return errors.New("no such format: choose text or json")
	}
	*l.value = name
	return nil
}

// asksForJSON reports whether a command line that could not be parsed as a
// whole asks for JSON lines.
func asksForJSON(args []string) bool {
	return strings.Contains(strings.Join(args, " ")+" ", "--log-format="+logJSON+" ") ||
		strings.Contains(strings.Join(args, " ")+" ", "--log-format "+logJSON+" ")
}
