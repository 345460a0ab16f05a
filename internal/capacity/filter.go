package capacity

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	scheduling "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// selects reports whether the pod's node selector and required node affinity
// take the node.
func (p *pod) selects(n *node) bool {
	match, err := nodeaffinity.GetRequiredNodeAffinity(p.spec).Match(n.object)
	return err == nil && match
}

// repelled returns a taint of the node that the pod does not tolerate.
func (p *pod) repelled(n *node) (corev1.Taint, bool) {
	return scheduling.FindMatchingUntoleratedTaint(klog.Logger{}, n.object.Spec.Taints, p.spec.Spec.Tolerations,
		func(taint *corev1.Taint) bool { return taint.Effect != corev1.TaintEffectPreferNoSchedule }, false)
}

// admits reports whether the node may have the pod at all.
func (p *pod) admits(n *node) bool {
	_, repelled := p.repelled(n)
	return !repelled && p.selects(n)
}

// conflicts returns a pod that must not share a topology domain with p on n.
func (p *pod) conflicts(n *node, nodes []*node) *pod {
	for _, other := range nodes {
		for _, there := range other.pods {
			if p.avoids(there, n, other) || there.avoids(p, other, n) {
				return there
			}
		}
	}
	return nil
}

// avoids reports whether p, on n, must not be in one domain with there, on other.
func (p *pod) avoids(there *pod, n, other *node) bool {
	affinity := p.spec.Spec.Affinity
	if affinity == nil || affinity.PodAntiAffinity == nil {
		return false
	}
	return slices.ContainsFunc(affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution,
		func(term corev1.PodAffinityTerm) bool {
			return sameDomain(term.TopologyKey, n, other) && p.means(term, there)
		})
}

// means reports whether a term of p is about the pod there.
func (p *pod) means(term corev1.PodAffinityTerm, there *pod) bool {
	own := len(term.Namespaces) == 0 && term.NamespaceSelector == nil && p.spec.Namespace == there.spec.Namespace
	if !own && !slices.Contains(term.Namespaces, there.spec.Namespace) && term.NamespaceSelector == nil {
		return false
	}
	return matches(term.LabelSelector, there) && p.shares(term.MatchLabelKeys, there)
}

func matches(selector *metav1.LabelSelector, there *pod) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(labels.Set(there.spec.Labels))
}

// shares reports whether both pods have the same values of the labels.
func (p *pod) shares(keys []string, there *pod) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return p.spec.Labels[key] != there.spec.Labels[key] })
}

func sameDomain(key string, a, b *node) bool {
	value, ok := a.object.Labels[key]
	other, otherOK := b.object.Labels[key]
	return ok && otherOK && value == other
}

// spreads reports whether the pod on n would still be spread as it must be.
func (p *pod) spreads(n *node, nodes []*node) bool {
	return !slices.ContainsFunc(p.spec.Spec.TopologySpreadConstraints, func(constraint corev1.TopologySpreadConstraint) bool {
		return constraint.WhenUnsatisfiable == corev1.DoNotSchedule && p.skew(constraint, n, nodes) > int(constraint.MaxSkew)
	})
}

// skew is by how many pods n's domain would exceed the emptiest one.
func (p *pod) skew(constraint corev1.TopologySpreadConstraint, n *node, nodes []*node) int {
	counts := make(map[string]int) // of pods, by domain
	for _, other := range nodes {
		domain, ok := other.object.Labels[constraint.TopologyKey]
		if !ok || !p.counts(constraint, other) {
			continue
		}
		counts[domain] += 0
		for _, there := range other.pods {
			if there.spec.Namespace == p.spec.Namespace && matches(constraint.LabelSelector, there) && p.shares(constraint.MatchLabelKeys, there) {
				counts[domain]++
			}
		}
	}
	domain, ok := n.object.Labels[constraint.TopologyKey]
	if !ok {
		return int(constraint.MaxSkew) + 1
	}
	least := counts[domain]
	for _, count := range counts {
		least = min(least, count)
	}
	if constraint.MinDomains != nil && len(counts) < int(*constraint.MinDomains) {
		least = 0
	}
	return counts[domain] + 1 - least
}

// counts reports whether the constraint looks at the node.
func (p *pod) counts(constraint corev1.TopologySpreadConstraint, n *node) bool {
	if policy := constraint.NodeAffinityPolicy; (policy == nil || *policy == corev1.NodeInclusionPolicyHonor) && !p.selects(n) {
		return false
	}
	if policy := constraint.NodeTaintsPolicy; policy != nil && *policy == corev1.NodeInclusionPolicyHonor {
		_, repelled := p.repelled(n)
		return !repelled
	}
	return true
}
