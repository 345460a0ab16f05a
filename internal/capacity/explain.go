package capacity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gamemetrics/gmctl/internal/instancetypes"
)

// explain says why the pods found no place, with the arithmetic.
func (m missed) explain(groups []Group) Finding {
	finding := Finding{}
	for _, p := range m.pods {
		finding.Pods = append(finding.Pods, p.name)
	}
	first := m.pods[0]
	var admitted, open []*node // open: no rule between pods keeps this one away
	for _, n := range m.placed.nodes {
		if !first.admits(n) {
			continue
		}
		admitted = append(admitted, n)
		if first.conflicts(n, m.placed.nodes) == nil && first.spreads(n, m.placed.nodes) {
			open = append(open, n)
		}
	}
	switch {
	case len(admitted) == 0:
		finding.Reason = m.subject("finds", "find") + " no node: " + m.nowhere(groups)
	case len(open) == 0:
		finding.Group = admitted[0].group
		finding.Reason = m.subject("needs", "need") + " " + m.apart(admitted, groups)
	default:
		best := m.largest(open)
		finding.Group = best.group
		finding.Reason = m.subject("needs", "need") + " " + m.short(best, named(best.group, groups))
	}
	return finding
}

// subject names the pods with the verb for one or for several of them.
func (m missed) subject(one, several string) string {
	if len(m.pods) == 1 {
		return m.pods[0].name + " " + one
	}
	if kind, _, ok := strings.Cut(m.pods[0].name, " gamemetrics-"); ok && strings.HasPrefix(kind, "kafka") {
		names := make([]string, len(m.pods))
		for i, p := range m.pods {
			names[i] = strings.TrimPrefix(p.name, kind+" ")
		}
		return kind + "s " + strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " " + several
	}
	return fmt.Sprintf("%d pods of %s %s", len(m.pods), m.pods[0].workload, several)
}

// nowhere says what keeps the pods away from every group.
func (m missed) nowhere(groups []Group) string {
	first := m.pods[0]
	var tainted []string
	for _, n := range m.placed.nodes {
		if taint, repelled := first.repelled(n); repelled && first.selects(n) {
			text := fmt.Sprintf("%s has the taint %s, which it does not tolerate", n.group, taint.ToString())
			if !slices.Contains(tainted, text) {
				tainted = append(tainted, text)
			}
		}
	}
	if len(tainted) > 0 {
		return strings.Join(tainted, "; ")
	}
	names := make([]string, len(groups))
	for i, group := range groups {
		names[i] = named(group.Name, groups)
	}
	return fmt.Sprintf("its node selector and affinity take none of %s", strings.Join(names, ", "))
}

// apart says which rule between pods keeps them off the nodes that take them.
func (m missed) apart(admitted []*node, groups []Group) string {
	first := m.pods[0]
	for _, n := range admitted {
		if there := first.conflicts(n, m.placed.nodes); there != nil {
			return fmt.Sprintf("a node without a pod of %s, and each of %s has one", there.workload, named(n.group, groups))
		}
	}
	return fmt.Sprintf("a node that its topology spread allows, and none of %s is one", named(admitted[0].group, groups))
}

// largest is the node with most of what the pods lack.
func (m missed) largest(nodes []*node) *node {
	first := m.pods[0]
	return slices.MaxFunc(nodes, func(a, b *node) int {
		return compare(a.free(), b.free(), first)
	})
}

// compare orders what is free on two nodes by how near it comes to holding p.
func compare(a, b instancetypes.Resources, p *pod) int {
	share := func(free, asked int64) float64 {
		if asked == 0 {
			return 1
		}
		return min(1, float64(free)/float64(asked))
	}
	near := func(free instancetypes.Resources) float64 {
		return min(share(free.MemoryBytes, p.memoryBytes), share(free.MilliCPU, p.milliCPU), share(int64(free.Pods), 1))
	}
	switch x, y := near(a), near(b); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// short says what is too little on the node that comes nearest.
func (m missed) short(best *node, where string) string {
	first, each := m.pods[0], ""
	if len(m.pods) > 1 {
		each = " each"
	}
	free := best.free()
	switch {
	case free.Pods < 1:
		return fmt.Sprintf("a place, and each node of %s carries %d pods: none is left", where, best.total.Pods)
	case first.memoryBytes > free.MemoryBytes && first.milliCPU > free.MilliCPU:
		return fmt.Sprintf("%s memory and %s CPU%s, the largest free slot on %s is %s and %s",
			bytes(first.memoryBytes), cpu(first.milliCPU), each, where, bytes(free.MemoryBytes), cpu(free.MilliCPU))
	case first.memoryBytes > free.MemoryBytes:
		return fmt.Sprintf("%s memory%s, the largest free slot on %s is %s", bytes(first.memoryBytes), each, where, bytes(free.MemoryBytes))
	}
	return fmt.Sprintf("%s CPU%s, the largest free slot on %s is %s", cpu(first.milliCPU), each, where, cpu(free.MilliCPU))
}

// named is a group with what it is made of: "data (3 × t3.small)".
func named(name string, groups []Group) string {
	for _, group := range groups {
		if group.Name == name {
			return fmt.Sprintf("%s (%d × %s)", name, group.Nodes, group.InstanceType)
		}
	}
	return name
}

// bytes prints an amount of memory as manifests do, rounded down: 2Gi, 1.4Gi, 400Mi.
func bytes(n int64) string {
	const mebi, gibi = 1 << 20, 1 << 30
	n = max(n, 0)
	if n < gibi {
		return fmt.Sprintf("%dMi", n/mebi)
	}
	tenths := n * 10 / gibi
	if tenths%10 == 0 {
		return fmt.Sprintf("%dGi", tenths/10)
	}
	return fmt.Sprintf("%d.%dGi", tenths/10, tenths%10)
}

// cpu prints an amount of CPU as manifests do: 2, 500m.
func cpu(milli int64) string {
	milli = max(milli, 0)
	if milli%1000 == 0 {
		return fmt.Sprint(milli / 1000)
	}
	return fmt.Sprintf("%dm", milli)
}
