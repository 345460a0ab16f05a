package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/testenv/toy"
	"github.com/gamemetrics/gmctl/internal/upgrade"
)

// world is a cluster of which the nodes are not as they are wanted, and a user
// at a terminal.
type world struct {
	*toy.Environment
	nodes, infra *toy.Stage
	findings     []upgrade.Finding
	opts         *Options
	in           interface{ WriteString(string) (int, error) }
	out, err     interface{ String() string }
}

func (w *world) Upgrade(context.Context) (*upgrade.Options, error) { return &upgrade.Options{}, nil }

func (w *world) EngineOf(_ *engine.Graph, sink engine.Sink, command string) (*engine.Engine, error) {
	return w.Engine(sink, command)
}

func newWorld(t *testing.T) *world {
	w := &world{nodes: &toy.Stage{Name: "nodes"}, infra: &toy.Stage{Name: "infra", There: true, Needs: []string{"nodes"}}}
	w.Environment = toy.New(t, w.nodes, w.infra)
	io, in, out, stderr := iostreams.Test()
	io.InTTY, io.ErrTTY = true, true
	w.in, w.out, w.err = in, out, stderr
	w.opts = &Options{
		IO: io, EnvName: toy.Env, LogFormat: render.LogText, Command: "gmctl upgrade", Output: render.Table,
		Open: func() (Environment, error) { return w, nil },
	}
	return w
}

// run does the rollout and returns the exit code.
func (w *world) run(ctx context.Context) int {
	err := Run(ctx, w.opts, Rollout{
		What: "upgrade Kubernetes to 1.36", Done: "local is at Kubernetes 1.36",
		Preflight: func(context.Context, *upgrade.Options) ([]upgrade.Finding, error) { return w.findings, nil },
		Graph:     func(context.Context, *upgrade.Options) (*engine.Graph, error) { return w.Graph, nil },
	})
	render.Problem(w.opts.IO, err)
	return exitcode.Of(err)
}

// has checks that the status tells all of it.
func (w *world) has(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(w.err.String(), text) {
			t.Errorf("the status does not say %q:\n%s", text, w.err.String())
		}
	}
}

func TestRolloutAsksForTheNameOfTheEnvironment(t *testing.T) {
	w := newWorld(t)
	_, _ = w.in.WriteString("local\n")
	if code := w.run(t.Context()); code != exitcode.OK || w.nodes.Applied() != 1 {
		t.Errorf("exit code %d, applied %d times", code, w.nodes.Applied())
	}
	w.has(t, "Type local to upgrade Kubernetes to 1.36: ", "local is at Kubernetes 1.36, and Terraform's plan is empty")

	refused := newWorld(t)
	_, _ = refused.in.WriteString("prod\n")
	if code := refused.run(t.Context()); code != exitcode.Declined || refused.nodes.Applied() != 0 {
		t.Errorf("exit code %d, applied %d times", code, refused.nodes.Applied())
	}
}

func TestRolloutStopsAtAFindingUnlessForced(t *testing.T) {
	w := newWorld(t)
	w.opts.Yes = true
	w.findings = []upgrade.Finding{{Blocks: true, What: "PodDisruptionBudget kafka/kafka lets no node be drained", Next: "give it room"}, {What: "not checked: insights"}}
	if code := w.run(t.Context()); code != exitcode.Unhealthy || w.nodes.Applied() != 0 {
		t.Errorf("exit code %d, applied %d times", code, w.nodes.Applied())
	}
	w.has(t, "✗ PodDisruptionBudget kafka/kafka lets no node be drained", "give it room", "! not checked: insights", "1 finding stands in the way", "--force")
	w.opts.Force = true
	if code := w.run(t.Context()); code != exitcode.OK || w.nodes.Applied() != 1 {
		t.Errorf("forced: exit code %d, applied %d times", code, w.nodes.Applied())
	}
}

func TestDryRunDoesNothing(t *testing.T) {
	w := newWorld(t)
	w.opts.DryRun = true
	if code := w.run(t.Context()); code != exitcode.OK || w.nodes.Applied() != 0 {
		t.Errorf("exit code %d, applied %d times", code, w.nodes.Applied())
	}
	const want = "STAGE  ACTION   OBJECT\nnodes  + start  process nodes\n"
	if diff := cmp.Diff(want, w.out.String()); diff != "" {
		t.Error(diff)
	}
	w.has(t, "Nothing was changed.")
}

func TestNothingToDoAsksNobody(t *testing.T) {
	w := newWorld(t)
	w.nodes.There = true
	w.infra.There = false // what Terraform would make is for up
	w.findings = []upgrade.Finding{{Blocks: true, What: "of no interest"}}
	if code := w.run(t.Context()); code != exitcode.OK || w.infra.Applied() != 0 {
		t.Errorf("exit code %d, applied %d times", code, w.infra.Applied())
	}
	if diff := cmp.Diff("✓ local is at Kubernetes 1.36: nothing to do\n", w.err.String()); diff != "" {
		t.Error(diff)
	}
}

func TestRolloutThatFailsAsADocument(t *testing.T) {
	w := newWorld(t)
	w.opts.Yes, w.opts.Output = true, render.JSON
	w.nodes.Fails = &problem.Error{What: "EKS could not update the nodes", Cause: errors.New("PodEvictionFailure"), Next: "give it room"}
	if code := w.run(t.Context()); code != exitcode.Failed {
		t.Errorf("exit code %d", code)
	}
	var document struct {
		Kind string
		Data Document
	}
	if err := json.Unmarshal([]byte(w.out.String()), &document); err != nil {
		t.Fatalf("%v in %s", err, w.out.String())
	}
	got := document.Data
	if document.Kind != "Rollout" || got.Done || got.Run == "" || got.Problem == nil || len(got.Steps) != 2 {
		t.Errorf("%+v", document)
	}
}
