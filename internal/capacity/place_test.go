package capacity

import (
	"cmp"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

const dedicatedKey = "dedicated"

func drawGroups(t *rapid.T) []Group {
	groups := make([]Group, rapid.IntRange(1, 3).Draw(t, "groups"))
	for i := range groups {
		groups[i] = Group{
			Name:         fmt.Sprintf("g%d", i),
			InstanceType: rapid.SampledFrom([]string{"t3.small", "t3.medium", "t3.large", "m7i.xlarge"}).Draw(t, "type"),
			Nodes:        rapid.IntRange(0, 4).Draw(t, "nodes"),
			Zones:        []string{"a", "b"},
		}
		if rapid.Bool().Draw(t, "dedicated") {
			groups[i].Taints = []corev1.Taint{{Key: dedicatedKey, Effect: corev1.TaintEffectNoSchedule}}
		}
	}
	return groups
}

func drawWorkloads(t *rapid.T, groups []Group) []workload {
	workloads := make([]workload, rapid.IntRange(0, 6).Draw(t, "workloads"))
	for i := range workloads {
		labels := map[string]string{"app": fmt.Sprint(i)}
		template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
		template.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(rapid.Int64Range(0, 1500).Draw(t, "cpu"), resource.DecimalSI),
			corev1.ResourceMemory: *resource.NewQuantity(rapid.Int64Range(0, 3<<30).Draw(t, "memory"), resource.BinarySI),
		}}}}
		if rapid.Bool().Draw(t, "tolerates") {
			template.Spec.Tolerations = []corev1.Toleration{{Key: dedicatedKey, Operator: corev1.TolerationOpExists}}
		}
		if rapid.Bool().Draw(t, "selects") {
			template.Spec.NodeSelector = map[string]string{NodeGroupLabel: rapid.SampledFrom(groups).Draw(t, "group").Name}
		}
		selector := &metav1.LabelSelector{MatchLabels: labels}
		switch rapid.IntRange(0, 2).Draw(t, "rule") {
		case 1:
			template.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{LabelSelector: selector, TopologyKey: corev1.LabelHostname}},
			}}
		case 2:
			template.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: selector,
			}}
		}
		workloads[i].name = fmt.Sprint(i)
		for j := range rapid.IntRange(1, 6).Draw(t, "pods") {
			workloads[i].pods = append(workloads[i].pods, newPod(fmt.Sprintf("%d-%d", i, j), workloads[i].name, "default", template))
		}
	}
	return workloads
}

// Where a pod is put it may be, and one that is put nowhere has no place left.
func TestPlacementKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := drawGroups(t)
		workloads := drawWorkloads(t, groups)
		placed := place(workloads, groups)
		seen := map[*pod]int{}
		for _, n := range placed.nodes {
			var milliCPU, memory int64
			alone := map[string]bool{}
			for _, p := range n.pods {
				seen[p]++
				milliCPU += p.milliCPU
				memory += p.memoryBytes
				if len(n.object.Spec.Taints) > 0 && len(p.spec.Spec.Tolerations) == 0 {
					t.Fatalf("%s does not tolerate %s", p.name, n.object.Name)
				}
				if group, ok := p.spec.Spec.NodeSelector[NodeGroupLabel]; ok && group != n.group {
					t.Fatalf("%s does not select %s", p.name, n.object.Name)
				}
				if p.spec.Spec.Affinity != nil && alone[p.workload] {
					t.Fatalf("two pods of %s on %s", p.workload, n.object.Name)
				}
				alone[p.workload] = true
			}
			found, _ := typeOf(Group{InstanceType: n.object.Labels[corev1.LabelInstanceTypeStable]})
			if total := found.Allocatable(); milliCPU > total.MilliCPU || memory > total.MemoryBytes || len(n.pods) > total.Pods {
				t.Fatalf("%s is given %dm, %d bytes, %d pods of %+v", n.object.Name, milliCPU, memory, len(n.pods), total)
			}
		}
		for _, p := range placed.missed {
			seen[p]++
			if p.spec.Spec.Affinity != nil || len(p.spec.Spec.TopologySpreadConstraints) > 0 {
				continue
			}
			for _, n := range placed.nodes {
				if p.admits(n) && holds(n.free(), p) {
					t.Fatalf("%s was missed, and there is room on %s", p.name, n.object.Name)
				}
			}
		}
		for _, w := range workloads {
			for _, p := range w.pods {
				if seen[p] != 1 {
					t.Fatalf("%s is %d times there", p.name, seen[p])
				}
			}
		}
	})
}

// A remedy, done, leaves none of those pods without a place.
func TestRemediesHelp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := drawGroups(t)
		workloads := drawWorkloads(t, groups)
		for _, m := range missedOf(place(workloads, groups)) {
			finding := m.explain(groups)
			remedy := remedy(m, workloads, groups, finding.Group)
			if remedy == (Remedy{}) {
				continue
			}
			changed := append([]Group{}, groups...)
			for i := range changed {
				if changed[i].Name == remedy.Group {
					changed[i].Nodes = cmp.Or(remedy.Nodes, changed[i].Nodes)
					changed[i].InstanceType = cmp.Or(remedy.InstanceType, changed[i].InstanceType)
				}
			}
			if !m.helps(workloads, changed) {
				t.Fatalf("%s: %q does not help", finding.Reason, remedy)
			}
		}
	})
}
