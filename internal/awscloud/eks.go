package awscloud

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/smithy-go"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// EKS is a way to one EKS cluster.
type EKS struct {
	Cluster string // its name

	client *eks.Client
}

// EKS returns a way to the cluster, which need not be there.
func (s *Session) EKS(cluster string) *EKS {
	return &EKS{Cluster: cluster, client: eks.NewFromConfig(s.config)}
}

// ControlPlane is the state of a cluster.
type ControlPlane struct {
	Version string // "1.35"
	State   State
}

// ControlPlane describes the cluster.
func (e *EKS) ControlPlane(ctx context.Context) (ControlPlane, error) {
	found, err := e.client.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(e.Cluster)})
	if isNotFound(err) {
		return ControlPlane{}, &problem.Error{What: "there is no EKS cluster " + e.Cluster, Next: "make it: gmctl up"}
	}
	if err != nil {
		return ControlPlane{}, Explain(err, "the EKS cluster "+e.Cluster+" cannot be looked at")
	}
	return ControlPlane{Version: aws.ToString(found.Cluster.Version), State: State(found.Cluster.Status)}, nil
}

// KubernetesVersions lists the versions that EKS offers, newest first.
func (e *EKS) KubernetesVersions(ctx context.Context) ([]string, error) {
	var versions []string
	pages := eks.NewDescribeClusterVersionsPaginator(e.client, &eks.DescribeClusterVersionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, Explain(err, "the Kubernetes versions of EKS cannot be listed")
		}
		for _, version := range page.ClusterVersions {
			if version.VersionStatus != types.VersionStatusUnsupported {
				versions = append(versions, aws.ToString(version.ClusterVersion))
			}
		}
	}
	slices.SortFunc(versions, func(a, b string) int { return strings.Compare(b, a) }) // 1.NN, all of two digits
	return versions, nil
}

// Addon is an add-on of the cluster.
type Addon struct {
	Name    string
	Version string
	State   State
}

// Addons describes the add-ons that are installed, by name.
func (e *EKS) Addons(ctx context.Context) ([]Addon, error) {
	const what = "the add-ons of the cluster cannot be listed"
	var addons []Addon
	pages := eks.NewListAddonsPaginator(e.client, &eks.ListAddonsInput{ClusterName: aws.String(e.Cluster)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, Explain(err, what)
		}
		for _, name := range page.Addons {
			found, err := e.client.DescribeAddon(ctx, &eks.DescribeAddonInput{ClusterName: aws.String(e.Cluster), AddonName: aws.String(name)})
			if err != nil {
				return nil, Explain(err, what)
			}
			addons = append(addons, Addon{Name: name, Version: aws.ToString(found.Addon.AddonVersion), State: State(found.Addon.Status)})
		}
	}
	slices.SortFunc(addons, func(a, b Addon) int { return strings.Compare(a.Name, b.Name) })
	return addons, nil
}

// AddonVersions lists the versions of an add-on that go with a Kubernetes
// version, newest first, and says which of them EKS takes by default.
func (e *EKS) AddonVersions(ctx context.Context, addon, kubernetes string) (versions []string, byDefault string, err error) {
	pages := eks.NewDescribeAddonVersionsPaginator(e.client, &eks.DescribeAddonVersionsInput{AddonName: aws.String(addon), KubernetesVersion: aws.String(kubernetes)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, "", Explain(err, "the versions of the add-on "+addon+" cannot be listed")
		}
		for _, info := range page.Addons {
			for _, version := range info.AddonVersions {
				for _, goes := range version.Compatibilities {
					if aws.ToString(goes.ClusterVersion) != kubernetes {
						continue
					}
					versions = append(versions, aws.ToString(version.AddonVersion))
					if goes.DefaultVersion {
						byDefault = aws.ToString(version.AddonVersion)
					}
				}
			}
		}
	}
	return versions, byDefault, nil
}

// Insight is what EKS has found that stands in the way of an upgrade.
type Insight struct {
	Name, Status, Description string // Status is EKS's word: PASSING, WARNING, ERROR, UNKNOWN
}

// UpgradeInsights lists what EKS knows about an upgrade to the version. known is
// false where this EKS has no insights, or does not let these credentials read
// them.
func (e *EKS) UpgradeInsights(ctx context.Context, version string) (insights []Insight, known bool, err error) {
	pages := eks.NewListInsightsPaginator(e.client, &eks.ListInsightsInput{
		ClusterName: aws.String(e.Cluster),
		Filter:      &types.InsightsFilter{Categories: []types.Category{types.CategoryUpgradeReadiness}, KubernetesVersions: []string{version}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			if _, refused := errors.AsType[smithy.APIError](err); refused {
				return nil, false, nil
			}
			return nil, false, Explain(err, "the upgrade insights of EKS cannot be read")
		}
		for _, found := range page.Insights {
			insight := Insight{Name: aws.ToString(found.Name), Description: aws.ToString(found.Description)}
			if found.InsightStatus != nil {
				insight.Status = string(found.InsightStatus.Status)
				if reason := aws.ToString(found.InsightStatus.Reason); reason != "" {
					insight.Description = reason
				}
			}
			insights = append(insights, insight)
		}
	}
	return insights, true, nil
}

// UpdateOf says of what an update is: a node group, an add-on, or with neither
// the control plane.
type UpdateOf struct{ NodeGroup, Addon string }

func (of UpdateOf) String() string {
	switch {
	case of.NodeGroup != "":
		return "the node group " + of.NodeGroup
	case of.Addon != "":
		return "the add-on " + of.Addon
	}
	return "the control plane"
}

// Update is a change of the cluster that EKS is at, or was.
type Update struct {
	ID      string
	Running bool
	Failed  bool
	Errors  []string // "PodEvictionFailure: Reached max retries …"
}

// Update describes an update.
func (e *EKS) Update(ctx context.Context, of UpdateOf, id string) (Update, error) {
	input := &eks.DescribeUpdateInput{Name: aws.String(e.Cluster), UpdateId: aws.String(id)}
	if of.NodeGroup != "" {
		input.NodegroupName = aws.String(of.NodeGroup)
	}
	if of.Addon != "" {
		input.AddonName = aws.String(of.Addon)
	}
	found, err := e.client.DescribeUpdate(ctx, input)
	if err != nil {
		return Update{}, Explain(err, "the update of "+of.String()+" cannot be looked at")
	}
	return updateOf(found.Update), nil
}

func updateOf(found *types.Update) Update {
	update := Update{
		ID: aws.ToString(found.Id), Running: found.Status == types.UpdateStatusInProgress,
		Failed: found.Status == types.UpdateStatusFailed || found.Status == types.UpdateStatusCancelled,
	}
	for _, detail := range found.Errors {
		text := string(detail.ErrorCode) + ": " + aws.ToString(detail.ErrorMessage)
		if len(detail.ResourceIds) > 0 {
			text += " (" + strings.Join(detail.ResourceIds, ", ") + ")"
		}
		update.Errors = append(update.Errors, text)
	}
	return update
}

// RunningUpdate returns the update that EKS is at, or nil.
func (e *EKS) RunningUpdate(ctx context.Context, of UpdateOf) (*Update, error) {
	input := &eks.ListUpdatesInput{Name: aws.String(e.Cluster)}
	if of.NodeGroup != "" {
		input.NodegroupName = aws.String(of.NodeGroup)
	}
	if of.Addon != "" {
		input.AddonName = aws.String(of.Addon)
	}
	pages := eks.NewListUpdatesPaginator(e.client, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, Explain(err, "the updates of "+of.String()+" cannot be listed")
		}
		for _, id := range page.UpdateIds {
			update, err := e.Update(ctx, of, id)
			if err != nil {
				return nil, err
			}
			if update.Running {
				return &update, nil
			}
		}
	}
	return nil, nil
}

// UpdateControlPlane asks for the control plane's next minor version; with force in
// spite of insights that EKS would else let it stop.
func (e *EKS) UpdateControlPlane(ctx context.Context, version string, force bool) (Update, error) {
	answer, err := e.client.UpdateClusterVersion(ctx, &eks.UpdateClusterVersionInput{Name: aws.String(e.Cluster), Version: aws.String(version), Force: force})
	if err != nil {
		return Update{}, Explain(err, "EKS does not take the control plane to "+version)
	}
	return updateOf(answer.Update), nil
}

// UpdateAddon asks for another version of an add-on. Its settings stay; what was
// changed in the cluster by hand does not, as in Terraform.
func (e *EKS) UpdateAddon(ctx context.Context, addon, version string) (Update, error) {
	answer, err := e.client.UpdateAddon(ctx, &eks.UpdateAddonInput{
		ClusterName: aws.String(e.Cluster), AddonName: aws.String(addon), AddonVersion: aws.String(version), ResolveConflicts: types.ResolveConflictsOverwrite,
	})
	if err != nil {
		return Update{}, Explain(err, fmt.Sprintf("EKS does not take the add-on %s to %s", addon, version))
	}
	return updateOf(answer.Update), nil
}
