package cluster_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/stage/cluster"
)

// played is a cluster whose nodes are those of the moment.
type played struct{ nodes func() []kube.Node }

func (p played) Host() string                               { return "https://cluster.example" }
func (p played) Nodes(context.Context) ([]kube.Node, error) { return p.nodes(), nil }

type updates []engine.Update

func (u *updates) Report(update engine.Update) { *u = append(*u, update) }

func stageWith(nodes func() []kube.Node) engine.Stage {
	return cluster.New(cluster.Options{
		Kube:   func(context.Context) (cluster.Kubernetes, error) { return played{nodes}, nil },
		Groups: map[string]int{"data": 2, "system": 1},
	})
}

func node(name, group string, change func(*kube.Node)) kube.Node {
	made := kube.Node{Name: name, Group: group, InstanceType: "t3.large", Version: "v1.35.4", Ready: true}
	if change != nil {
		change(&made)
	}
	return made
}

func unready(n *kube.Node)  { n.Ready, n.Why = false, "container runtime network not ready" }
func cordoned(n *kube.Node) { n.Cordoned = true }

func TestClusterThatIsNotThere(t *testing.T) {
	stage := cluster.New(cluster.Options{
		Kube:   func(context.Context) (cluster.Kubernetes, error) { return nil, kube.ErrNotThere },
		Groups: map[string]int{"data": 1},
	})
	if plan, err := stage.Plan(t.Context(), engine.GoalPresent); err != nil || plan.Deferred == "" {
		t.Errorf("%+v, %v", plan, err)
	}
	if health, err := stage.Check(t.Context()); err != nil || health.State != engine.StateAbsent {
		t.Errorf("%+v, %v", health, err)
	}
}

func TestHealth(t *testing.T) {
	for name, test := range map[string]struct {
		nodes   []kube.Node
		state   engine.State
		summary string
		data    string // of the group
		why     string
	}{
		"whole": {
			[]kube.Node{node("a", "data", nil), node("b", "data", nil), node("c", "system", nil)},
			engine.StateReady, "3 of 3 nodes ready", "2 × t3.large, v1.35.4", "",
		},
		"one is not ready": {
			[]kube.Node{node("a", "data", nil), node("b", "data", unready), node("c", "system", nil)},
			engine.StateDegraded, "2 of 3 nodes ready", "2 × t3.large, v1.35.4", "b: container runtime network not ready",
		},
		"one takes no pods": {
			[]kube.Node{node("a", "data", nil), node("b", "data", cordoned), node("c", "system", nil)},
			engine.StateDegraded, "2 of 3 nodes ready", "2 × t3.large, v1.35.4", "b is cordoned",
		},
		"none": {[]kube.Node{node("c", "system", nil)}, engine.StateDegraded, "1 of 3 nodes ready", "no node", ""},
		"of a group that replaces another": {
			[]kube.Node{
				node("a", "data-2", func(n *kube.Node) { n.Labels = map[string]string{cluster.GroupLabel: "data"} }),
				node("b", "data", nil), node("c", "system", nil),
			},
			engine.StateReady, "3 of 3 nodes ready", "2 × t3.large, v1.35.4", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			stage := stageWith(func() []kube.Node { return test.nodes })
			health, err := stage.Check(t.Context())
			if err != nil || health.State != test.state || health.Summary != test.summary {
				t.Fatalf("%+v, %v", health, err)
			}
			i := slices.IndexFunc(health.Components, func(c engine.Component) bool { return c.Name == "data" })
			if i < 0 || health.Components[i].Summary != test.data {
				t.Fatalf("%+v", health.Components)
			}
			p := health.Components[i].Problem
			if (p == nil) != (test.state == engine.StateReady) || p != nil && test.why != "" && p.Cause.Error() != test.why {
				t.Errorf("%+v", p)
			}
			plan, err := stage.Plan(t.Context(), engine.GoalPresent)
			if err != nil || plan.Empty() != (test.state == engine.StateReady) {
				t.Errorf("%+v, %v", plan, err)
			}
		})
	}
}

func TestApplyWaitsForTheNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var told updates
		err := stageWith(func() []kube.Node {
			nodes := []kube.Node{node("a", "data", nil), node("c", "system", nil)}
			switch waited := time.Since(began); {
			case waited > 2*time.Minute:
				return append(nodes, node("b", "data", nil))
			case waited > time.Minute:
				return append(nodes, node("b", "data", unready))
			}
			return nodes
		}).Apply(t.Context(), &told)
		if err != nil || len(told) != 2 {
			t.Fatalf("%v, %+v", err, told)
		}
		if told[0].Message != "nodes: data 1 of 2 ready" || told[1].Message != "nodes: data 1 of 2 ready (b: container runtime network not ready)" {
			t.Errorf("%+v", told)
		}
	})
}

func TestApplyEndsWhereNothingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := stageWith(func() []kube.Node { return []kube.Node{node("c", "system", nil)} }).Apply(t.Context(), &updates{})
		if p := problem.From(err); p == nil || p.Cause.Error() != "nodes: data 0 of 2 ready" || !strings.Contains(p.Next, "quota") {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took < 15*time.Minute || took > 16*time.Minute {
			t.Errorf("it took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := stageWith(func() []kube.Node { return nil }).Apply(ctx, &updates{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("interrupted: %v", err)
		}
	})
}
