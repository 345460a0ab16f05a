package upgrade

import (
	"context"
	"fmt"
	"strings"

	"github.com/gamemetrics/gmctl/internal/instancetypes"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Finding is something to know before an upgrade.
type Finding struct {
	Blocks bool   `json:"blocks"` // the upgrade would stall or break something
	What   string `json:"what"`
	Next   string `json:"next,omitempty"`
}

// Preflight looks for what would stall the upgrade or break what runs. It
// changes nothing, and says what it could not look at.
func (o *Options) Preflight(ctx context.Context, to string) ([]Finding, error) {
	return o.look(ctx, to, o.lookAtEKS, o.lookAtInsights, o.lookAtBudgets, o.lookAtAPIs, o.lookAtNodes)
}

// look takes all looks. One that could not be taken is a finding too.
func (o *Options) look(ctx context.Context, to string, looks ...func(context.Context, string) ([]Finding, error)) ([]Finding, error) {
	var findings []Finding
	for _, look := range looks {
		found, err := look(ctx, to)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			p := problem.From(err)
			found = append(found, Finding{What: "not checked: " + p.Error(), Next: p.Next})
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

func (o *Options) lookAtEKS(ctx context.Context, _ string) ([]Finding, error) {
	plane, err := o.EKS.ControlPlane(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	if plane.State.Settled() && !plane.State.Ready() {
		findings = append(findings, Finding{Blocks: true, What: "the control plane is " + string(plane.State), Next: "see why in the EKS console"})
	}
	groups, err := o.EKS.NodeGroups(ctx)
	for _, group := range groups {
		if len(group.Issues) > 0 {
			findings = append(findings, Finding{
				Blocks: true, What: fmt.Sprintf("the node group %s is not well: %s", group.Title, strings.Join(group.Issues, "; ")), Next: "mend that first",
			})
		}
	}
	return findings, err
}

func (o *Options) lookAtInsights(ctx context.Context, to string) ([]Finding, error) {
	plane, err := o.EKS.ControlPlane(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, version := range way(plane.Version, to) {
		insights, known, err := o.EKS.UpgradeInsights(ctx, version)
		if err != nil {
			return findings, err
		}
		if !known {
			return append(findings, Finding{What: "not checked: EKS's upgrade insights, which could not be read"}), nil
		}
		for _, insight := range insights {
			if insight.Status == "ERROR" || insight.Status == "WARNING" {
				findings = append(findings, Finding{
					Blocks: insight.Status == "ERROR", What: fmt.Sprintf("EKS on %s: %s: %s", version, insight.Name, insight.Description),
					Next: "see it in the EKS console, under upgrade insights",
				})
			}
		}
	}
	return findings, nil
}

func (o *Options) lookAtBudgets(ctx context.Context, _ string) ([]Finding, error) {
	budgets, err := o.Kubernetes.BlockingPDBs(ctx)
	var findings []Finding
	for _, budget := range budgets {
		findings = append(findings, Finding{
			Blocks: true, What: fmt.Sprintf("PodDisruptionBudget %s/%s lets no node be drained: %s", budget.Namespace, budget.Name, budget.Why),
			Next: "give the workload another replica or the budget more room",
		})
	}
	return findings, err
}

func (o *Options) lookAtAPIs(ctx context.Context, to string) ([]Finding, error) {
	apis, err := o.Kubernetes.DeprecatedAPIs(ctx)
	var findings []Finding
	for _, api := range apis {
		if minorOf(api.RemovedIn) == 0 || minorOf(api.RemovedIn) > minorOf(to) {
			continue
		}
		name := api.Resource + " of " + strings.TrimPrefix(api.Group+"/"+api.Version, "/")
		findings = append(findings, Finding{
			Blocks: true, What: fmt.Sprintf("someone uses %s, which Kubernetes %s does not have any more", name, api.RemovedIn),
			Next: "find out who: the audit log of the cluster names the callers; and have them use a newer version",
		})
	}
	return findings, err
}

func (o *Options) lookAtNodes(ctx context.Context, _ string) ([]Finding, error) {
	nodes, err := o.Kubernetes.Nodes(ctx)
	var findings []Finding
	for _, node := range nodes {
		if !node.Ready {
			findings = append(findings, Finding{Blocks: true, What: fmt.Sprintf("node %s is not ready: %s", node.Name, node.Why), Next: "mend it, or delete it: its group makes another"})
		}
	}
	return findings, err
}

// Blocking is the problem that the findings are, nil for none.
func Blocking(findings []Finding) error {
	var texts []string
	for _, finding := range findings {
		if finding.Blocks {
			texts = append(texts, finding.What)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	what := "1 finding stands in the way"
	if len(texts) > 1 {
		what = fmt.Sprintf("%d findings stand in the way", len(texts))
	}
	return &problem.Error{What: what, Kind: problem.Unhealthy, Next: "mend what the findings name, or go on in spite of them: --force"}
}

// PreflightReplace looks for what would stall the replacement of a node group.
// Nodes that are not ready do not: they may be why it is replaced.
func (o *Options) PreflightReplace(ctx context.Context, title, instanceType string) ([]Finding, error) {
	look := func(ctx context.Context, _ string) ([]Finding, error) { return o.lookAtPlace(ctx, title, instanceType) }
	findings, err := o.look(ctx, "", look, o.lookAtBudgets, o.lookAtNodes)
	for i := range findings {
		if strings.HasPrefix(findings[i].What, "node ") {
			findings[i].Blocks = false
		}
	}
	return findings, err
}

// lookAtPlace looks whether the platform has its place on the new nodes.
func (o *Options) lookAtPlace(ctx context.Context, title, instanceType string) ([]Finding, error) {
	groups, err := o.EKS.NodeGroups(ctx)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	nodes := 0
	wanted, known := instancetypes.Lookup(instanceType)
	for _, group := range groups {
		if group.Title != title {
			continue
		}
		nodes = max(nodes, group.Desired)
		for _, name := range group.InstanceTypes {
			if is, ok := instancetypes.Lookup(name); ok && known && is.Arch != wanted.Arch {
				findings = append(findings, Finding{
					Blocks: true, What: fmt.Sprintf("%s is %s, and the image of the nodes of %s is for %s", instanceType, wanted.Arch, title, is.Arch),
					Next: "choose a type of the same architecture",
				})
			}
		}
	}
	short, err := o.Place(ctx, title, instanceType, nodes)
	for _, finding := range short {
		found := Finding{Blocks: !finding.Unknown, What: finding.Reason}
		if remedy := finding.Remedy.String(); remedy != "" {
			found.Next = remedy
		}
		findings = append(findings, found)
	}
	return findings, err
}
