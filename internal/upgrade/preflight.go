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
	var findings []Finding
	for _, look := range []func(context.Context, string) ([]Finding, error){o.lookAtEKS, o.lookAtInsights, o.lookAtBudgets, o.lookAtAPIs, o.lookAtNodes} {
		found, err := look(ctx, to)
		if ctx.Err() != nil {
			return nil, err
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
			Next: "give the workload another replica or the budget more room; or --force, which does not mind it",
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
	return &problem.Error{
		What: fmt.Sprintf("%d findings stand in the way of the upgrade", len(texts)), Kind: problem.Unhealthy,
		Next: "mend what the findings name, or go on in spite of them: --force",
	}
}

// PreflightReplace looks for what would stall the replacement of a node group.
func (o *Options) PreflightReplace(ctx context.Context, instanceType string) ([]Finding, error) {
	var findings []Finding
	if _, known := instancetypes.Lookup(instanceType); !known {
		findings = append(findings, Finding{What: "not checked: whether " + instanceType + " has room for what runs on the old nodes; gmctl does not know that type"})
	}
	for _, look := range []func(context.Context, string) ([]Finding, error){o.lookAtBudgets, o.lookAtNodes} {
		found, err := look(ctx, "")
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	for i := range findings { // a replacement knows no --force
		findings[i].Next = strings.TrimSuffix(findings[i].Next, "; or --force, which does not mind it")
	}
	return findings, nil
}
