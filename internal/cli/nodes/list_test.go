package nodes

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/capacity"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/render"
)

// nodes are two groups, of which one is being replaced.
type nodes struct{}

func (nodes) Nodes(context.Context) ([]kube.Node, error) {
	node := func(name, title, instanceType string, change func(*kube.Node)) kube.Node {
		n := kube.Node{
			Name: name, Group: title + "-2026", InstanceType: instanceType, Zone: "eu-central-1a", Version: "v1.36.0-eks-3abbec1", Ready: true,
			Allocatable: kube.Resources{MilliCPU: 1930, Memory: 3298 << 20, Pods: 17}, Labels: map[string]string{capacity.NodeGroupLabel: title},
		}
		change(&n)
		return n
	}
	return []kube.Node{
		node("ip-10-0-0-1", "data", "t3.medium", func(n *kube.Node) { n.Cordoned = true }),
		node("ip-10-0-0-2", "application", "t3.medium", func(*kube.Node) {}),
		node("ip-10-0-0-3", "data", "t3.large", func(n *kube.Node) { n.Ready, n.Why, n.Group = false, "container runtime\nis down", "data-2027" }),
	}, nil
}

func (nodes) PodsByNode(context.Context) (map[string]int, error) {
	return map[string]int{"ip-10-0-0-1": 4, "ip-10-0-0-2": 9}, nil
}

func listed(t *testing.T, format render.Format) string {
	t.Helper()
	io, _, out, _ := iostreams.Test()
	err := list(t.Context(), &listOptions{IO: io, EnvName: "dev", Output: format, Open: func(context.Context) (Lister, error) { return nodes{}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestListGroupsTheNodes(t *testing.T) {
	const want = `GROUP        NODE         TYPE       ZONE           VERSION             STATE                                 PODS  CPU   MEMORY
application  ip-10-0-0-2  t3.medium  eu-central-1a  1.36.0-eks-3abbec1  ready                                 9/17  1.93  3.22 GiB
data         ip-10-0-0-1  t3.medium  eu-central-1a  1.36.0-eks-3abbec1  cordoned                              4/17  1.93  3.22 GiB
             ip-10-0-0-3  t3.large   eu-central-1a  1.36.0-eks-3abbec1  not ready: container runtime is down  0/17  1.93  3.22 GiB
`
	if diff := cmp.Diff(want, listed(t, render.Table)); diff != "" {
		t.Error(diff)
	}
}

func TestListAsADocument(t *testing.T) {
	var document struct {
		Kind string
		Data Document
	}
	if err := json.Unmarshal([]byte(listed(t, render.JSON)), &document); err != nil {
		t.Fatal(err)
	}
	got := document.Data
	if document.Kind != "Nodes" || got.Environment != "dev" || len(got.Nodes) != 3 || got.Nodes[2].EKSGroup != "data-2027" || got.Nodes[2].Ready {
		t.Errorf("%+v", document)
	}
}
