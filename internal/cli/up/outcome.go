package up

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// outcome is a run that was tried.
type outcome struct {
	result  engine.Result
	problem *problem.Error
	health  []engine.StageHealth // only of a run that succeeded
}

// Document is the data of a document of the kind Up.
type Document struct {
	Environment    string                  `json:"environment"`
	Run            string                  `json:"run"` // id, as in gmctl history
	Up             bool                    `json:"up"`
	Changed        []string                `json:"changed"`
	Unchanged      []string                `json:"unchanged"`
	Failed         []string                `json:"failed"`
	ElapsedSeconds float64                 `json:"elapsedSeconds"`
	Endpoints      []Endpoint              `json:"endpoints"`
	Problem        *render.ProblemDocument `json:"problem,omitempty"`
}

// Endpoint is an address of a stage.
type Endpoint struct {
	Stage string `json:"stage"`
	Name  string `json:"name"`
	URL   string `json:"url"`
}

func (o *outcome) document(env string) Document {
	return Document{
		Environment: env, Run: o.result.Run, Up: o.problem == nil,
		Changed: render.List(o.result.Changed), Unchanged: render.List(o.result.Unchanged), Failed: render.List(o.result.Failed),
		ElapsedSeconds: o.result.Elapsed.Seconds(),
		Endpoints:      o.endpoints(),
		Problem:        render.NewProblemDocument(o.problem),
	}
}

// endpoints are those of the stages and their components, in order.
func (o *outcome) endpoints() []Endpoint {
	found := []Endpoint{}
	var add func(stage string, health engine.Health)
	add = func(stage string, health engine.Health) {
		for _, endpoint := range health.Endpoints {
			found = append(found, Endpoint{stage, endpoint.Name, endpoint.URL})
		}
		for _, component := range health.Components {
			add(stage, component.Health)
		}
	}
	for _, stage := range o.health {
		add(stage.Stage, stage.Health)
	}
	return found
}

// print tells where things are and what to try. A run that changed nothing has
// said all there is to say in its one line.
func (o *outcome) print(opts *Options) error {
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "Up", o.document(opts.EnvName))
	}
	if o.problem != nil || len(o.result.Changed) == 0 || opts.LogFormat == render.LogJSON {
		return nil //nolint:nilerr // the renderer and the caller tell the problem
	}
	endpoints := o.endpoints()
	if len(endpoints) > 0 {
		fmt.Fprintln(opts.IO.Err)
		table := render.NewTable(opts.IO, "STAGE", "ENDPOINT", "URL")
		for _, e := range endpoints {
			table.Row(table.Paint(iostreams.Bold, e.Stage), e.Name, table.Paint(iostreams.Cyan, e.URL))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if !opts.Foreground {
		o.suggest(opts, endpoints)
	}
	return nil
}

// suggest says what to try next.
func (o *outcome) suggest(opts *Options, endpoints []Endpoint) {
	env := ""
	if opts.EnvName != "local" {
		env = " -e " + opts.EnvName
	}
	suggestions := [][2]string{
		{"gmctl status" + env, "health, endpoints and key figures"},
		{"gmctl teardown" + env, "remove it all again"},
	}
	for _, e := range endpoints {
		if u, err := url.Parse(e.URL); err == nil && strings.HasPrefix(u.Scheme, "http") {
			suggestions = append([][2]string{
				{"gmctl events simulate" + env, "let a population of players send events"},
				{"gmctl events tail" + env, "watch events as they arrive"},
			}, suggestions...)
			break
		}
	}
	width := 0
	for _, s := range suggestions {
		width = max(width, render.Width(s[0]))
	}
	fmt.Fprintf(opts.IO.Err, "\n%s\n", opts.IO.Paint(iostreams.Bold, "Try next"))
	for _, s := range suggestions {
		fmt.Fprintf(opts.IO.Err, "  %s  %s\n", render.Pad(s[0], width), opts.IO.Paint(iostreams.Faint, s[1]))
	}
}
