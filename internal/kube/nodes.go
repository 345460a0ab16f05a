package kube

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Labels by which EKS and Kubernetes say what a node is.
const (
	labelNodeGroup    = "eks.amazonaws.com/nodegroup"
	labelInstanceType = "node.kubernetes.io/instance-type"
	labelZone         = "topology.kubernetes.io/zone"
)

// Node is one node of the cluster.
type Node struct {
	Name         string
	Group        string // the EKS node group; empty: in none
	InstanceType string
	Zone         string
	Version      string // of the kubelet, with its v
	Ready        bool
	Why          string // when it is not ready
	Cordoned     bool
	Created      time.Time
	Allocatable  Resources
	Labels       map[string]string
}

// Resources are what a node has for pods.
type Resources struct {
	MilliCPU int64
	Memory   int64 // bytes
	Pods     int64
}

// Nodes returns the nodes by name.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	list, err := c.list(ctx, core("Node"), "", "")
	if err != nil {
		return nil, explain(err, "the nodes could not be listed")
	}
	nodes, err := typed[corev1.Node](list)
	if err != nil {
		return nil, err
	}
	all := make([]Node, len(nodes))
	for i := range nodes {
		all[i] = nodeOf(&nodes[i])
	}
	slices.SortFunc(all, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func nodeOf(node *corev1.Node) Node {
	known := Node{
		Name: node.Name, Group: node.Labels[labelNodeGroup], InstanceType: node.Labels[labelInstanceType], Zone: node.Labels[labelZone],
		Version: node.Status.NodeInfo.KubeletVersion, Cordoned: node.Spec.Unschedulable, Created: node.CreationTimestamp.Time, Labels: node.Labels,
		Allocatable: Resources{
			MilliCPU: node.Status.Allocatable.Cpu().MilliValue(),
			Memory:   node.Status.Allocatable.Memory().Value(),
			Pods:     node.Status.Allocatable.Pods().Value(),
		},
		Why: "its kubelet has not reported yet",
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			known.Ready = condition.Status == corev1.ConditionTrue
			known.Why = condition.Message
		}
	}
	if known.Ready {
		known.Why = ""
	}
	return known
}

// Cordon lets no new pods be placed on a node, or lets them again.
func (c *Client) Cordon(ctx context.Context, node string, cordoned bool) error {
	ref := Ref{Version: "v1", Kind: "Node", Name: node}
	where, err := c.resource(ctx, ref)
	if err == nil {
		body := []byte(`{"spec":{"unschedulable":null}}`)
		if cordoned {
			body = []byte(`{"spec":{"unschedulable":true}}`)
		}
		_, err = where.Patch(ctx, node, types.StrategicMergePatchType, body, metav1.PatchOptions{FieldManager: fieldManager})
	}
	return explain(err, ref.String()+" could not be cordoned")
}

// PodsByNode counts the pods that are placed on each node and have not ended.
func (c *Client) PodsByNode(ctx context.Context) (map[string]int, error) {
	list, err := c.list(ctx, core("Pod"), "", "")
	if err != nil {
		return nil, explain(err, "the pods could not be listed")
	}
	pods, err := typed[corev1.Pod](list)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for i := range pods {
		if phase := pods[i].Status.Phase; phase != corev1.PodSucceeded && phase != corev1.PodFailed && pods[i].Spec.NodeName != "" {
			counts[pods[i].Spec.NodeName]++
		}
	}
	return counts, nil
}
