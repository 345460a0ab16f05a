package preflight_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/capacity"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/stage/preflight"
)

// made counts what was done to the stage behind.
type made struct {
	engine.Stage
	plans, applies int
}

func (m *made) Plan(context.Context, engine.Goal) (engine.Plan, error) {
	m.plans++
	return engine.Plan{}, nil
}

func (m *made) Apply(context.Context, engine.Reporter) error { m.applies++; return nil }

// told keeps what a stage reports.
type told []string

func (t *told) Report(update engine.Update) {
	*t = append(*t, string(update.Kind)+": "+update.Message)
}

// deployment asks for memory.
func deployment(name, memory string, replicas int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name, "namespace": "default"},
		"spec": map[string]any{"replicas": replicas, "template": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "x", "image": "x", "resources": map[string]any{"requests": map[string]any{"memory": memory}}},
		}}}},
	}}
}

func options(unavailable error, objects ...*unstructured.Unstructured) preflight.Options {
	return preflight.Options{
		Objects: func(context.Context) ([]*unstructured.Unstructured, error, error) { return objects, unavailable, nil },
		Groups:  []capacity.Group{{Name: "data", InstanceType: "t3.small", Nodes: 2}}, Environment: "dev",
	}
}

func TestNothingBeginsThatDoesNotFit(t *testing.T) {
	behind := &made{}
	stage := preflight.New(behind, options(nil, deployment("large", "2Gi", 1), deployment("larger", "5Gi", 1), deployment("many", "1Gi", 3)))
	_, planErr := stage.Plan(t.Context(), engine.GoalPresent)
	for _, err := range []error{planErr, stage.Apply(t.Context(), &told{})} {
		p := problem.From(err)
		if p == nil || p.What != "the platform does not fit on its nodes" || !strings.Contains(p.Cause.Error(), "needs 2Gi memory, the largest free slot on data (2 × t3.small) is ") {
			t.Fatalf("%+v", p)
		}
		if want := "in gmctl.yaml, set nodeGroups.data.instanceType: t3.large and nodeGroups.data.desired: 3; or try all the same: gmctl up -e dev --force"; p.Next != want {
			t.Errorf("the advice is\n %s, want\n %s", p.Next, want)
		}
	}
	if behind.applies > 0 {
		t.Error("it began")
	}
	before := behind.plans
	if _, err := stage.Plan(t.Context(), engine.GoalAbsent); err != nil || behind.plans != before+1 {
		t.Errorf("what does not fit can still be removed: %v", err)
	}
}

func TestForceWarns(t *testing.T) {
	behind, said := &made{}, told{}
	forced := options(errors.New("a part cannot be fetched"), deployment("large", "2Gi", 1))
	forced.Force = true
	forced.Groups = append(forced.Groups, capacity.Group{Name: "odd", InstanceType: "t3.nano", Nodes: 1})
	stage := preflight.New(behind, forced)
	if _, err := stage.Plan(t.Context(), engine.GoalPresent); err != nil {
		t.Fatal(err)
	}
	if err := stage.Apply(t.Context(), &said); err != nil || behind.plans != 1 || behind.applies != 1 {
		t.Fatalf("%v, %+v", err, behind)
	}
	if !slices.ContainsFunc(said, func(line string) bool {
		return strings.HasPrefix(line, "warning: pod 1 of Deployment default/large needs 2Gi memory")
	}) || said[len(said)-1] != "warning: a part cannot be fetched" {
		t.Errorf("%q", said)
	}
}

func TestWhatIsMissingIsForApply(t *testing.T) {
	behind := &made{}
	missing := &problem.Error{What: "a part cannot be fetched", Next: "gmctl parts fetch"}
	stage := preflight.New(behind, options(missing))
	if _, err := stage.Plan(t.Context(), engine.GoalPresent); err != nil {
		t.Fatal(err)
	}
	p := problem.From(stage.Apply(t.Context(), &told{}))
	if p == nil || p.What != missing.What || p.Next != "gmctl parts fetch; or begin all the same: gmctl up -e dev --force" || behind.applies != 0 {
		t.Errorf("%+v", p)
	}
	if missing.Next != "gmctl parts fetch" {
		t.Error("another's problem was changed")
	}
}
