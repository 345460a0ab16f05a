package status

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/render"
)

// watch looks again and again until ctx ends, which is how a watch is meant to
// end and no error.
func watch(ctx context.Context, opts *Options, checker Checker) error {
	show := printer(opts)
	if opts.IO.LiveOut() && opts.Output == render.Table {
		defer fmt.Fprintln(opts.IO.Out) // the terminal has written ^C
	}
	for {
		stages := checker.Check(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := show(stages); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(opts.Watch):
		}
	}
}

// printer returns how one look is shown: redrawn in place on a terminal, one
// after the other elsewhere.
func printer(opts *Options) func([]engine.StageHealth) error {
	switch {
	case opts.Output == render.JSON:
		encoder := json.NewEncoder(opts.IO.Out)
		encoder.SetEscapeHTML(false)
		return func(stages []engine.StageHealth) error {
			return encoder.Encode(struct {
				APIVersion string   `json:"apiVersion"`
				Kind       string   `json:"kind"`
				Data       Document `json:"data"`
			}{render.APIVersion, "Status", newDocument(opts.EnvName, opts.Now(), stages)})
		}
	case opts.Output == render.YAML:
		return func(stages []engine.StageHealth) error {
			if _, err := fmt.Fprintln(opts.IO.Out, "---"); err != nil {
				return err
			}
			return render.Document(opts.IO.Out, render.YAML, "Status", newDocument(opts.EnvName, opts.Now(), stages))
		}
	case opts.IO.LiveOut():
		screen := render.NewScreen(opts.IO.Out, func() (int, int) { return opts.IO.Width(), opts.IO.Height() })
		return func(stages []engine.StageHealth) error {
			screen.Draw(append(head(opts, stages), view(opts, stages)...))
			return nil
		}
	default:
		return func(stages []engine.StageHealth) error {
			for _, line := range append(head(opts, stages), view(opts, stages)...) {
				if _, err := fmt.Fprintln(opts.IO.Out, line); err != nil {
					return err
				}
			}
			_, err := fmt.Fprintln(opts.IO.Out)
			return err
		}
	}
}

// head says which environment this is, how it is as a whole, and when it was
// looked at.
func head(opts *Options, stages []engine.StageHealth) []string {
	paint := opts.IO.PaintOut
	look := opts.Now().Format(time.TimeOnly)
	if opts.IO.LiveOut() {
		look += fmt.Sprintf("  every %s, Ctrl-C ends", humanize.Usually(opts.Watch))
	}
	return []string{
		fmt.Sprintf("%s  %s  %s", paint(iostreams.Bold, opts.EnvName), render.State(paint, overall(stages)), paint(iostreams.Faint, look)),
		"",
	}
}
