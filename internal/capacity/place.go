package capacity

import (
	"cmp"
	"slices"
)

// placement is how pods came to lie on nodes.
type placement struct {
	nodes  []*node
	missed []*pod // that found no place
}

// place puts the pods of the workloads on the nodes of the groups: DaemonSets
// first, then what runs in kube-system, which is there before all else, then the
// largest pod first; each on the node that is the least used.
func place(workloads []workload, groups []Group) placement {
	placed := placement{nodes: nodesOf(groups)}
	var system, pods []*pod
	for _, w := range workloads {
		switch {
		case w.every:
			for _, n := range placed.nodes {
				if each := w.pods[0]; each.admits(n) {
					placed.putDaemon(n, each)
				}
			}
		case w.system():
			system = append(system, w.pods...)
		default:
			pods = append(pods, w.pods...)
		}
	}
	slices.SortStableFunc(pods, func(a, b *pod) int {
		return cmp.Or(cmp.Compare(b.memoryBytes, a.memoryBytes), cmp.Compare(b.milliCPU, a.milliCPU))
	})
	for _, p := range append(system, pods...) {
		if !placed.put(p) {
			placed.missed = append(placed.missed, p)
		}
	}
	return placed
}

// putDaemon puts a DaemonSet's pod on its node if there is room.
func (l *placement) putDaemon(n *node, p *pod) {
	if holds(n.free(), p) {
		n.put(p)
		return
	}
	l.missed = append(l.missed, p)
}

// put puts a pod on the node that is the least used of those that take it, and
// reports whether there is one.
func (l *placement) put(p *pod) bool {
	var best *node
	for _, n := range l.nodes {
		if (best == nil || n.load() < best.load()) &&
			p.admits(n) && holds(n.free(), p) && p.conflicts(n, l.nodes) == nil && p.spreads(n, l.nodes) {
			best = n
		}
	}
	if best == nil {
		return false
	}
	best.put(p)
	return true
}

// missed are the pods of one workload that found no place, and why.
type missed struct {
	pods   []*pod
	placed placement
}

// missedOf groups what found no place by its workload, in the order in which it
// was missed.
func missedOf(placed placement) []missed {
	var all []missed
	for _, p := range placed.missed {
		at := slices.IndexFunc(all, func(m missed) bool { return m.pods[0].workload == p.workload })
		if at < 0 {
			all = append(all, missed{placed: placed})
			at = len(all) - 1
		}
		all[at].pods = append(all[at].pods, p)
	}
	return all
}
