package plan

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/testenv/toy"
)

func TestFlags(t *testing.T) {
	io, _, _, _ := iostreams.Test()
	var got *Options
	cmd := newCommand(factory.New(io), func(_ context.Context, opts *Options) error { got = opts; return nil })
	cmd.SetArgs(strings.Fields("--skip smoke --detailed-exitcode -o yaml"))
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	got.IO, got.Planner = nil, nil
	want := &Options{Selection: engine.Selection{Skip: []string{"smoke"}}, Output: render.YAML, DetailedExitCode: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// plan runs `gmctl plan` over the stages and returns what it printed.
func plan(t *testing.T, set func(*Options), stages ...*toy.Stage) (stdout, stderr string, err error) {
	t.Helper()
	io, _, out, status := iostreams.Test()
	env := toy.New(t, stages...)
	opts := &Options{IO: io, EnvName: toy.Env, Output: render.Table, Planner: func() (Planner, error) { return env.Engine(nil, "gmctl plan") }}
	if set != nil {
		set(opts)
	}
	err = run(t.Context(), opts)
	render.Problem(io, err)
	for _, stage := range stages {
		if stage.Applied() > 0 {
			t.Errorf("%s was applied", stage.Name)
		}
	}
	return out.String(), status.String(), err
}

func TestPlan(t *testing.T) {
	detailed := func(opts *Options) { opts.DetailedExitCode = true }
	for _, c := range []struct {
		name           string
		set            func(*Options)
		stages         []*toy.Stage
		stdout, stderr string
		exit           int
	}{
		{
			name:   "changes",
			stages: []*toy.Stage{{Name: "postgres", Loses: true, Holds: "3 events"}, {Name: "kafka"}, {Name: "relay", There: true}},
			stdout: "STAGE     ACTION     OBJECT         HOLDS\npostgres  ± replace  postgres data  3 events\nkafka     + start    process kafka\n",
			stderr: "\n1 to start, 1 to replace. Nothing was changed.\n",
		},
		{
			name:   "nothing to do",
			set:    detailed,
			stages: []*toy.Stage{{Name: "kafka", There: true}},
			stderr: "✓ local is as it should be: nothing to do.\n",
		},
		{
			name:   "changes, and a script that asks",
			set:    detailed,
			stages: []*toy.Stage{{Name: "kafka"}},
			stdout: "STAGE  ACTION   OBJECT\nkafka  + start  process kafka\n",
			stderr: "\n1 to start. Nothing was changed.\n",
			exit:   exitcode.Changes,
		},
		{
			name:   "a stage that cannot be planned",
			set:    detailed,
			stages: []*toy.Stage{{Name: "kafka", Broken: &problem.Error{What: "kafka does not answer", Cause: errors.New("i/o timeout"), Next: "look at its log"}}},
			stdout: "STAGE  ACTION    OBJECT\nkafka  ✗ failed  kafka does not answer\n",
			stderr: "\nThe plan is not complete. Nothing was changed.\n✗ kafka does not answer\n  why:  i/o timeout\n  next: look at its log\n",
			exit:   exitcode.Failed,
		},
		{
			name:   "a stage that does not exist",
			set:    func(opts *Options) { opts.Selection.Only = []string{"kafak"} },
			stages: []*toy.Stage{{Name: "kafka"}},
			stderr: "✗ --only: there is no stage \"kafak\", did you mean kafka?\n  next: choose from: kafka\n",
			exit:   exitcode.Usage,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, err := plan(t, c.set, c.stages...)
			if diff := cmp.Diff(c.stdout, stdout); diff != "" {
				t.Errorf("stdout (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.stderr, stderr); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
			if got := exitcode.Of(err); got != c.exit {
				t.Errorf("exit code %d, want %d", got, c.exit)
			}
		})
	}
}

func TestPlanAsADocument(t *testing.T) {
	stdout, stderr, err := plan(t, func(opts *Options) { opts.Output = render.YAML },
		&toy.Stage{Name: "kafka"}, &toy.Stage{Name: "relay", There: true})
	const want = `apiVersion: gmctl/v1
kind: Plan
data:
  environment: local
  goal: present
  changes: 1
  summary:
    start: 1
  stages:
  - name: kafka
    changes:
    - action: start
      object: process kafka
  - name: relay
    changes: []
`
	if diff := cmp.Diff(want, stdout); diff != "" || stderr != "" || err != nil {
		t.Errorf("stderr %q, %v, stdout (-want +got):\n%s", stderr, err, diff)
	}
}
