// Package cluster is the stage between the infrastructure and what runs on it: a
// Kubernetes API that answers, and nodes that take pods.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Kubernetes is what the stage asks of the cluster.
type Kubernetes interface {
	Host() string
	Nodes(ctx context.Context) ([]kube.Node, error)
}

// Options describe the cluster that is wanted.
type Options struct {
	// Kube opens the cluster; the error is kube.ErrNotThere before it is made.
	Kube   func(context.Context) (Kubernetes, error)
	Groups map[string]int // how many nodes of each node group must take pods

	Poll       time.Duration // between two looks at the nodes; 0: 2 s
	Standstill time.Duration // how long nothing may change before waiting ends; 0: 15 minutes
}

type stage struct {
	Options
}

// New returns the stage.
func New(options Options) engine.Stage {
	if options.Poll <= 0 {
		options.Poll = 2 * time.Second
	}
	if options.Standstill <= 0 {
		options.Standstill = 15 * time.Minute
	}
	return &stage{options}
}

// GroupLabel is the node label that names the platform's node group, which it
// keeps where a group was replaced by one of another name.
const GroupLabel = "gamemetrics.io/node-group"

// nodesUsually is how long EKS takes from a node group to a ready node.
const nodesUsually = 2 * time.Minute

func (s *stage) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	if goal == engine.GoalAbsent {
		return engine.Plan{}, nil
	}
	groups, err := s.groups(ctx)
	if errors.Is(err, kube.ErrNotThere) {
		return engine.Plan{Deferred: "wait for its nodes, once the infrastructure is there"}, nil
	}
	if err != nil {
		return engine.Plan{}, err
	}
	var plan engine.Plan
	for _, g := range groups {
		if g.lacks() {
			plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionStart, Object: "nodes of " + g.name, Detail: g.count()})
		}
	}
	return plan, nil
}

// Apply waits until every group has its nodes, and says which are missing and
// what Kubernetes says of those that are not ready.
func (s *stage) Apply(ctx context.Context, report engine.Reporter) error {
	said, changed := "", time.Now()
	for {
		groups, err := s.groups(ctx)
		if err != nil {
			return err
		}
		waiting := waitingFor(groups)
		if waiting == "" {
			return nil
		}
		if waiting != said {
			said, changed = waiting, time.Now()
			report.Report(engine.Update{Kind: engine.UpdateWaiting, Message: waiting, Usually: nodesUsually})
		}
		if time.Since(changed) > s.Standstill {
			return &problem.Error{
				What: "the cluster does not get its nodes", Cause: errors.New(waiting),
				Next: "look at the activity of the node group's Auto Scaling group in the EC2 console, and at the quota of vCPUs; then run it again: it goes on where it stopped",
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(s.Poll):
		}
	}
}

func (s *stage) Check(ctx context.Context) (engine.Health, error) {
	client, err := s.Kube(ctx)
	if errors.Is(err, kube.ErrNotThere) {
		return engine.Health{State: engine.StateAbsent}, nil
	}
	if err != nil {
		return engine.Health{}, err
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return engine.Health{}, err
	}
	health := engine.Health{
		State:     engine.StateReady,
		Endpoints: []engine.Endpoint{{Name: "kubernetes", URL: client.Host()}},
	}
	ready, wanted := 0, 0
	for _, g := range sorted(nodes, s.Groups) {
		ready, wanted = ready+g.ready, wanted+max(g.wanted, len(g.nodes))
		component := engine.Component{Name: g.name, Health: engine.Health{State: engine.StateReady, Summary: g.describe()}}
		if g.lacks() || g.ready < len(g.nodes) {
			component.State, component.Problem = engine.StateDegraded, g.problem()
			health.State = engine.StateDegraded
		}
		health.Components = append(health.Components, component)
	}
	health.Summary = fmt.Sprintf("%d of %d nodes ready", ready, wanted)
	return health, nil
}

// Destroy has nothing to remove: the cluster is the infrastructure's.
func (s *stage) Destroy(context.Context, engine.Reporter) error { return nil }

func (s *stage) groups(ctx context.Context) ([]group, error) {
	client, err := s.Kube(ctx)
	if err != nil {
		return nil, err
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	return sorted(nodes, s.Groups), nil
}

// group is a node group as it is.
type group struct {
	name   string
	wanted int
	ready  int // of nodes
	nodes  []kube.Node
}

// sorted puts the nodes into their groups, and names the groups that have none.
func sorted(nodes []kube.Node, wanted map[string]int) []group {
	byName := map[string]*group{}
	of := func(name string) *group {
		if byName[name] == nil {
			byName[name] = &group{name: name, wanted: wanted[name]}
		}
		return byName[name]
	}
	for name := range wanted {
		of(name)
	}
	for _, node := range nodes {
		name := node.Labels[GroupLabel]
		if name == "" {
			name = node.Group
		}
		g := of(name)
		g.nodes = append(g.nodes, node)
		if node.Ready && !node.Cordoned {
			g.ready++
		}
	}
	var all []group
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, *byName[name])
	}
	return all
}

func (g group) lacks() bool { return g.ready < g.wanted }

func (g group) count() string {
	return fmt.Sprintf("%d of %d ready", g.ready, max(g.wanted, len(g.nodes)))
}

// describe is such as "3 × t3.large, v1.35.4".
func (g group) describe() string {
	types, versions := map[string]int{}, map[string]bool{}
	for _, node := range g.nodes {
		types[node.InstanceType]++
		versions[node.Version] = true
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(types)) {
		parts = append(parts, fmt.Sprintf("%d × %s", types[name], name))
	}
	parts = append(parts, slices.Sorted(maps.Keys(versions))...)
	if len(parts) == 0 {
		return "no node"
	}
	return strings.Join(parts, ", ")
}

// why is what is known of the first node that takes no pods.
func (g group) why() string {
	for _, node := range g.nodes {
		switch {
		case !node.Ready:
			return node.Name + ": " + node.Why
		case node.Cordoned:
			return node.Name + " is cordoned"
		}
	}
	return ""
}

func (g group) problem() *problem.Error {
	p := &problem.Error{What: fmt.Sprintf("%d of %d nodes of %s take pods", g.ready, max(g.wanted, len(g.nodes)), g.name), Next: "see what they say: gmctl nodes list"}
	if why := g.why(); why != "" {
		p.Cause = errors.New(why)
	}
	return p
}

// waitingFor says which nodes are missing; empty: none.
func waitingFor(groups []group) string {
	var parts []string
	for _, g := range groups {
		if !g.lacks() {
			continue
		}
		part := fmt.Sprintf("%s %s", g.name, g.count())
		if why := g.why(); why != "" {
			part += " (" + why + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return ""
	}
	return "nodes: " + strings.Join(parts, ", ")
}
