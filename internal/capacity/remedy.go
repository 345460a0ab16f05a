package capacity

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gamemetrics/gmctl/internal/instancetypes"
)

// mostMore is how many nodes more than planned are thought of.
const mostMore = 6

// remedy returns the smallest change of the group with which the pods that were
// missed find a place: another instance type of its family, or more nodes. Where
// one more pod of the kind would fit on an empty node, more nodes come first.
func remedy(m missed, workloads []workload, groups []Group, group string) Remedy {
	at := slices.IndexFunc(groups, func(g Group) bool { return g.Name == group })
	if at < 0 {
		return Remedy{}
	}
	if m.fitsEmpty(workloads, groups[at]) {
		return cmp.Or(moreNodes(m, workloads, groups, at), largerType(m, workloads, groups, at))
	}
	return cmp.Or(largerType(m, workloads, groups, at), moreNodes(m, workloads, groups, at))
}

// fitsEmpty reports whether the pod fits on a node of the group that has but the
// DaemonSets' pods.
func (m missed) fitsEmpty(workloads []workload, group Group) bool {
	var daemons []workload
	for _, w := range workloads {
		if w.every {
			daemons = append(daemons, w)
		}
	}
	group.Nodes = 1
	return holds(place(daemons, []Group{group}).nodes[0].free(), m.pods[0])
}

func moreNodes(m missed, workloads []workload, groups []Group, at int) Remedy {
	changed := slices.Clone(groups)
	for range mostMore {
		changed[at].Nodes++
		if m.helps(workloads, changed) {
			return Remedy{Group: changed[at].Name, Nodes: changed[at].Nodes}
		}
	}
	return Remedy{}
}

func largerType(m missed, workloads []workload, groups []Group, at int) Remedy {
	changed := slices.Clone(groups)
	for _, candidate := range larger(groups[at].InstanceType) {
		changed[at].InstanceType = candidate.Name
		if m.helps(workloads, changed) {
			return Remedy{Group: changed[at].Name, InstanceType: candidate.Name}
		}
	}
	return Remedy{}
}

// larger returns the types of the same family, the next first.
func larger(name string) []instancetypes.Type {
	current, known := instancetypes.Lookup(name)
	family, _, _ := strings.Cut(name, ".")
	if !known {
		return nil
	}
	var types []instancetypes.Type
	for _, candidate := range instancetypes.All() {
		if strings.HasPrefix(candidate.Name, family+".") && candidate.MemoryMiB > current.MemoryMiB {
			types = append(types, candidate)
		}
	}
	slices.SortFunc(types, func(a, b instancetypes.Type) int { return cmp.Compare(a.MemoryMiB, b.MemoryMiB) })
	return types
}

// helps reports whether the pods that were missed find a place on the groups.
func (m missed) helps(workloads []workload, groups []Group) bool {
	return !slices.ContainsFunc(place(workloads, groups).missed, func(p *pod) bool { return p.workload == m.pods[0].workload })
}
