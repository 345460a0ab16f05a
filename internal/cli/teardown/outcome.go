package teardown

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// outcome is a teardown that was tried.
type outcome struct {
	before  []engine.StagePlan
	after   []engine.StagePlan // empty changes prove a stage gone
	result  *engine.Result
	problem *problem.Error
}

// Document is the data of a document of the kind Teardown.
type Document struct {
	Environment    string                  `json:"environment"`
	Run            string                  `json:"run,omitempty"` // id, as in gmctl history; none if there was nothing to do
	Removed        bool                    `json:"removed"`       // nothing is left but what was to be kept
	Gone           []string                `json:"gone"`          // looked for afterwards, and not found
	Kept           []string                `json:"kept"`
	Left           []string                `json:"left"` // found afterwards although it was to go
	ElapsedSeconds float64                 `json:"elapsedSeconds"`
	Problem        *render.ProblemDocument `json:"problem,omitempty"`
}

func (o *outcome) document(env string) Document {
	d := Document{
		Environment: env, Removed: o.problem == nil,
		Gone: o.gone(), Kept: render.List(kept(o.before)), Left: render.List(left(o.after)),
		Problem: render.NewProblemDocument(o.problem),
	}
	if o.result != nil {
		d.Run, d.ElapsedSeconds = o.result.Run, o.result.Elapsed.Seconds()
	}
	return d
}

// gone names what was there before, was to go, and was not found afterwards.
// It is empty unless everything was looked at again.
func (o *outcome) gone() []string {
	names := []string{}
	if o.after == nil {
		return names
	}
	still := map[string]bool{}
	for _, stage := range o.after {
		for _, change := range stage.Plan.Changes {
			still[stage.Stage+" "+change.Object] = true
		}
	}
	for _, stage := range o.before {
		for _, change := range stage.Plan.Changes {
			if change.Action != engine.ActionKeep && !still[stage.Stage+" "+change.Object] {
				names = append(names, described(change))
			}
		}
	}
	return names
}

// described names a thing that is gone: "data of kafka (/home/…/kafka)".
func described(change engine.Change) string {
	if change.Detail == "" {
		return render.OneLine(change.Object)
	}
	return fmt.Sprintf("%s (%s)", render.OneLine(change.Object), render.OneLine(change.Detail))
}

// left names what a plan for absence would still remove, with its stage.
func left(plans []engine.StagePlan) []string {
	var names []string
	for _, stage := range plans {
		for _, change := range stage.Plan.Changes {
			if change.Action != engine.ActionKeep {
				names = append(names, fmt.Sprintf("%s (%s)", object(change), stage.Stage))
			}
		}
	}
	return names
}

// leftovers is the failed proof: what is still there, or could not be looked at.
func (o *outcome) leftovers() error {
	for _, stage := range o.after {
		if stage.Err != nil {
			return &problem.Error{
				What: stage.Stage + " was removed, but could not be looked at to prove it", Cause: stage.Err,
				Next: "run gmctl teardown again",
			}
		}
	}
	if names := left(o.after); len(names) > 0 {
		return &problem.Error{
			What:  "the environment is not gone: " + humanize.Plural(len(names), "thing") + " left",
			Cause: errors.New(strings.Join(names, "\n")),
			Next:  "run gmctl teardown again; if it stays, remove it by hand",
		}
	}
	return nil
}

// print tells what was proved gone.
func (o *outcome) print(opts *Options) error {
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "Teardown", o.document(opts.EnvName))
	}
	if o.problem != nil || opts.LogFormat == render.LogJSON {
		return nil //nolint:nilerr // the renderer and the caller tell the problem
	}
	kept := kept(o.before)
	proof := "looked again: nothing is left"
	if len(kept) > 0 {
		proof += " but what is kept"
	}
	fmt.Fprintf(opts.IO.Err, "%s %s\n", opts.IO.Paint(iostreams.Green, "✓"), opts.IO.Paint(iostreams.Bold, proof))
	for _, name := range o.gone() {
		fmt.Fprintf(opts.IO.Err, "  %s %s\n", opts.IO.Paint(iostreams.Faint, "gone"), name)
	}
	for _, name := range kept {
		fmt.Fprintf(opts.IO.Err, "  %s %s\n", opts.IO.Paint(iostreams.Green, "kept"), name)
	}
	return nil
}
