package capacity

import (
	"fmt"
	"maps"
	"math"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gamemetrics/gmctl/internal/instancetypes"
)

// node is a planned node and what was placed on it.
type node struct {
	group   string
	object  *corev1.Node
	total   instancetypes.Resources // what it leaves to pods
	used    instancetypes.Resources
	pods    []*pod
	unknown bool // its type is: it is taken for boundless
}

func typeOf(group Group) (instancetypes.Type, bool) { return instancetypes.Lookup(group.InstanceType) }

func nodesOf(groups []Group) []*node {
	var nodes []*node
	for _, group := range groups {
		for i := range group.Nodes {
			nodes = append(nodes, newNode(group, i))
		}
	}
	return nodes
}

func newNode(group Group, index int) *node {
	found, known := typeOf(group)
	name := fmt.Sprintf("%s-%d", group.Name, index)
	labels := map[string]string{
		NodeGroupLabel:                 group.Name,
		"eks.amazonaws.com/nodegroup":  group.Name,
		corev1.LabelInstanceTypeStable: group.InstanceType,
		corev1.LabelHostname:           name,
		corev1.LabelOSStable:           "linux",
		corev1.LabelArchStable:         found.Arch,
	}
	zone := ""
	if len(group.Zones) > 0 {
		zone = group.Zones[index%len(group.Zones)]
	}
	labels[corev1.LabelTopologyZone] = zone
	maps.Copy(labels, group.Labels)
	n := &node{
		group:  group.Name,
		object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: corev1.NodeSpec{Taints: group.Taints}},
		total:  found.Allocatable(),
	}
	if !known {
		n.unknown = true
		n.total = instancetypes.Resources{MilliCPU: math.MaxInt32, MemoryBytes: math.MaxInt64 / 2, Pods: math.MaxInt32}
	}
	return n
}

func (n *node) put(p *pod) {
	n.pods = append(n.pods, p)
	n.used.MilliCPU += p.milliCPU
	n.used.MemoryBytes += p.memoryBytes
	n.used.Pods++
}

func (n *node) free() instancetypes.Resources {
	return instancetypes.Resources{
		MilliCPU:    n.total.MilliCPU - n.used.MilliCPU,
		MemoryBytes: n.total.MemoryBytes - n.used.MemoryBytes,
		Pods:        n.total.Pods - n.used.Pods,
	}
}

// load is how much of the node is requested, 0 to 1, as the scheduler's
// LeastAllocated scores it.
func (n *node) load() float64 {
	return (float64(n.used.MilliCPU)/float64(max(n.total.MilliCPU, 1)) + float64(n.used.MemoryBytes)/float64(max(n.total.MemoryBytes, 1))) / 2
}

// holds reports whether what is free takes the pod. A request of nothing fits
// also where more is promised than there is.
func holds(free instancetypes.Resources, p *pod) bool {
	return free.Pods >= 1 &&
		(p.milliCPU == 0 || free.MilliCPU >= p.milliCPU) &&
		(p.memoryBytes == 0 || free.MemoryBytes >= p.memoryBytes)
}
