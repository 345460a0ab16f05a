package upgrade

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// lastGroup is drained last: Kafka's brokers live there.
const lastGroup = "data"

// Graph returns the stages that bring the cluster to a Kubernetes version, from
// what is there now: for each minor version on the way the configuration, the
// control plane and the add-ons, then the node groups, at once to the version
// that is wanted, unless they would be too old for a control plane on the way.
// The error is a problem.Usage where that version cannot be.
func (o *Options) Graph(ctx context.Context, to string) (*engine.Graph, error) {
	plane, err := o.EKS.ControlPlane(ctx)
	if err != nil {
		return nil, err
	}
	offered, err := o.EKS.KubernetesVersions(ctx)
	if err != nil {
		return nil, err
	}
	if err := check(plane.Version, to, offered); err != nil {
		return nil, err
	}
	groups, err := o.EKS.NodeGroups(ctx)
	if err != nil {
		return nil, err
	}
	groups = inOrder(groups)
	if err := noneTwice(groups); err != nil {
		return nil, err
	}
	var c chain
	steps := way(plane.Version, to)
	if len(steps) == 0 {
		steps = []string{to} // the add-ons and the nodes may be behind
	}
	at := map[string]int{} // the node groups' versions when the step is reached
	for _, group := range groups {
		at[group.Name] = minorOf(group.Version)
	}
	for _, step := range steps {
		for _, group := range groups {
			if before := minorOf(step) - 1; at[group.Name] < minorOf(step)-skew {
				c.add("nodes-"+group.Title+"-"+version(before), "the nodes of "+group.Title, &nodeGroup{Options: o, name: group.Name, title: group.Title, version: version(before)})
				at[group.Name] = before
			}
		}
		c.add("config-"+step, "the configuration", &configured{Options: o, version: step})
		c.add("control-plane-"+step, "EKS's control plane", &controlPlane{Options: o, version: step})
		c.add("addons-"+step, "EKS's add-ons", &addons{Options: o, version: step})
	}
	for _, group := range groups {
		c.add("nodes-"+group.Title+"-"+to, "the nodes of "+group.Title, &nodeGroup{Options: o, name: group.Name, title: group.Title, version: to})
	}
	c.add("infra", "Terraform's plan, which is empty afterwards", &terraformed{Options: o, configured: func() (bool, error) {
		version, err := o.Settings.KubernetesVersion()
		return version == to, err
	}})
	return engine.NewGraph(c...)
}

// noneTwice refuses to upgrade in the midst of a replacement, for which two
// groups stand side by side.
func noneTwice(groups []awscloud.NodeGroup) error {
	known := map[string]bool{}
	for _, group := range groups {
		if known[group.Title] {
			return &problem.Error{
				What: "there are two node groups " + group.Title + ": a replacement has not come to its end",
				Next: fmt.Sprintf("bring it there first: gmctl nodes replace %s --instance-type TYPE", group.Title),
			}
		}
		known[group.Title] = true
	}
	return nil
}

// chain is a graph of stages one after the other.
type chain []engine.Node

func (c *chain) add(name, about string, stage engine.Stage) {
	node := engine.Node{Name: name, About: about, Stage: stage}
	if n := len(*c); n > 0 {
		node.Needs = []string{(*c)[n-1].Name}
	}
	*c = append(*c, node)
}

// inOrder is the order in which node groups are drained.
func inOrder(groups []awscloud.NodeGroup) []awscloud.NodeGroup {
	return slices.SortedFunc(slices.Values(groups), func(a, b awscloud.NodeGroup) int {
		if last := a.Title == lastGroup; last != (b.Title == lastGroup) {
			if last {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Name, b.Name)
	})
}
