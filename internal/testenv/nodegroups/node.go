//go:build unix

package nodegroups

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gamemetrics/gmctl/internal/instancetypes"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
)

// Labels and annotations of nodes.
const (
	groupLabel   = "eks.amazonaws.com/nodegroup"
	releaseLabel = "eks.amazonaws.com/nodegroup-image"
	// startedAnnotation is when the node was made: to the nanosecond, where
	// Kubernetes knows the second.
	startedAnnotation = "testenv.gamemetrics.io/started"
	// groupLabels holds the keys of the labels that come from the group's own.
	groupLabels = "testenv.gamemetrics.io/group-labels"
)

// zoneOf is where the n-th node of a group goes.
func zoneOf(g group, n int) string {
	if len(g.Zones) == 0 {
		return testaws.Region + "a"
	}
	return g.Zones[n%len(g.Zones)]
}

// newNode returns a node of the group.
func newNode(g group, zone string) (*corev1.Node, error) {
	if len(g.InstanceTypes) == 0 {
		return nil, failed("InvalidParameter", "the node group has no instance type")
	}
	kind, ok := instancetypes.Lookup(g.InstanceTypes[0])
	if !ok {
		return nil, failed("AsgInstanceLaunchFailures", "the testbed does not know the instance type "+g.InstanceTypes[0])
	}
	var id [11]byte
	_, _ = rand.Read(id[:]) // it never fails
	name := fmt.Sprintf("ip-10-%d-%d-%d.%s.compute.internal", id[0], id[1], id[2], testaws.Region)
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: systemLabels(g, kind, zone, name),
			Annotations: map[string]string{startedAnnotation: time.Now().UTC().Format("2006-01-02T15:04:05.000000000Z")},
		},
		Spec: corev1.NodeSpec{ProviderID: "aws:///" + zone + "/i-" + hex.EncodeToString(id[3:]) + "0"},
		Status: corev1.NodeStatus{
			Capacity: resources(kind.Capacity()), Allocatable: resources(kind.Allocatable()),
			NodeInfo: corev1.NodeSystemInfo{
				KubeletVersion: "v" + g.Version + ".0-eks-3abbec1", Architecture: kind.Arch, OperatingSystem: "linux",
				OSImage: "Amazon Linux 2023", ContainerRuntimeVersion: "containerd://2.1.4", KernelVersion: "6.12.40-64.114.amzn2023",
			},
		},
	}
	dress(node, g)
	return node, nil
}

func systemLabels(g group, kind instancetypes.Type, zone, name string) map[string]string {
	capacity := g.CapacityType
	if capacity == "" {
		capacity = "ON_DEMAND"
	}
	return map[string]string{
		groupLabel: g.Name, releaseLabel: g.ReleaseVersion, "eks.amazonaws.com/capacityType": capacity,
		corev1.LabelInstanceTypeStable: kind.Name, corev1.LabelTopologyZone: zone, corev1.LabelTopologyRegion: testaws.Region,
		corev1.LabelHostname: name, corev1.LabelArchStable: kind.Arch, corev1.LabelOSStable: "linux",
		"topology.ebs.csi.aws.com/zone": zone, "k8s.io/cloud-provider-aws": "test",
	}
}

// dress gives a node the labels and taints of its group, and takes away those
// that the group had before. It reports whether something changed.
func dress(node *corev1.Node, g group) bool {
	labels := maps.Clone(node.Labels)
	for old := range strings.SplitSeq(node.Annotations[groupLabels], ",") {
		delete(labels, old)
	}
	maps.Copy(labels, g.Labels)
	var taints []corev1.Taint
	for _, taint := range node.Spec.Taints {
		if strings.HasPrefix(taint.Key, "node.kubernetes.io/") { // the control plane's own
			taints = append(taints, taint)
		}
	}
	for _, taint := range g.Taints {
		taints = append(taints, corev1.Taint{Key: taint.Key, Value: taint.Value, Effect: effect(taint.Effect)})
	}
	same := func(a, b corev1.Taint) bool { return a.Key == b.Key && a.Value == b.Value && a.Effect == b.Effect }
	if maps.Equal(labels, node.Labels) && slices.EqualFunc(taints, node.Spec.Taints, same) {
		return false
	}
	node.Labels, node.Spec.Taints = labels, taints
	node.Annotations[groupLabels] = strings.Join(slices.Sorted(maps.Keys(g.Labels)), ",")
	return true
}

// effect is Kubernetes' name for one of EKS's.
func effect(eks string) corev1.TaintEffect {
	switch eks {
	case "NO_EXECUTE":
		return corev1.TaintEffectNoExecute
	case "PREFER_NO_SCHEDULE":
		return corev1.TaintEffectPreferNoSchedule
	}
	return corev1.TaintEffectNoSchedule
}

func resources(of instancetypes.Resources) corev1.ResourceList {
	const diskGiB = 20
	return corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewMilliQuantity(of.MilliCPU, resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(of.MemoryBytes, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(int64(of.Pods), resource.DecimalSI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(diskGiB<<30, resource.BinarySI),
	}
}
