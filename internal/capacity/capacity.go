package capacity

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Group is a planned node group.
type Group struct {
	Name         string
	InstanceType string
	Nodes        int               // how many to begin with
	Labels       map[string]string // besides those that all nodes of a group have
	Taints       []corev1.Taint
	Zones        []string // the nodes are spread over; none is like one
}

// NodeGroupLabel is on every node and names its group, also when the group was
// replaced by one of another name. The Terraform module eks puts it there.
const NodeGroupLabel = "gamemetrics.io/node-group"

// Finding is something that will not fit, or of which that cannot be said.
type Finding struct {
	Pods   []string // that find no place
	Group  string   // where the remedy is; empty where there is none
	Reason string   // with the arithmetic: "… needs 2Gi memory, the largest free slot on data (3 × t3.small) is 1.3Gi"
	Remedy Remedy   // the smallest that is known to help
	// Unknown is that it may well fit: gmctl does not know the instance type.
	Unknown bool
}

// String is the finding with its remedy.
func (f Finding) String() string {
	if f.Remedy == (Remedy{}) {
		return f.Reason
	}
	return f.Reason + ": " + f.Remedy.String()
}

// Remedy is a change of a group: another instance type, or more nodes. The zero
// Remedy is none.
type Remedy struct {
	Group        string
	InstanceType string
	Nodes        int // how many to begin with
}

func (r Remedy) String() string {
	switch {
	case r.InstanceType != "":
		return fmt.Sprintf("use %s for %s", r.InstanceType, r.Group)
	case r.Nodes > 0:
		return fmt.Sprintf("run %d nodes in %s", r.Nodes, r.Group)
	}
	return ""
}

// Check returns what of the objects' pods does not fit on the groups. It changes
// none of its arguments. The error is of an object that cannot be read.
func Check(objects []*unstructured.Unstructured, groups []Group) ([]Finding, error) {
	addOns, err := AddOns()
	if err != nil {
		return nil, err
	}
	workloads, err := workloadsOf(append(addOns, objects...))
	if err != nil {
		return nil, err
	}
	findings := unknownTypes(groups)
	for _, missed := range missedOf(place(workloads, groups)) {
		finding := missed.explain(groups)
		finding.Remedy = remedy(missed, workloads, groups, finding.Group)
		findings = append(findings, finding)
	}
	return findings, nil
}

func unknownTypes(groups []Group) []Finding {
	var findings []Finding
	for _, group := range groups {
		if _, known := typeOf(group); !known {
			findings = append(findings, Finding{
				Group:   group.Name,
				Reason:  fmt.Sprintf("gmctl does not know the instance type %s of the group %s: whether the pods fit there cannot be said", group.InstanceType, group.Name),
				Unknown: true,
			})
		}
	}
	return findings
}
