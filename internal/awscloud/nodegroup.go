package awscloud

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// NodeGroup is a managed node group of the cluster.
type NodeGroup struct {
	Name          string // in EKS: "data-20261125201405123400000001"
	Title         string // as the configuration calls it: "data"
	Version       string // of Kubernetes
	State         State
	InstanceTypes []string
	Desired       int
	Created       time.Time
	Issues        []string // what EKS finds wrong with it
}

// NodeGroups describes the node groups, by name.
func (e *EKS) NodeGroups(ctx context.Context) ([]NodeGroup, error) {
	var groups []NodeGroup
	pages := eks.NewListNodegroupsPaginator(e.client, &eks.ListNodegroupsInput{ClusterName: aws.String(e.Cluster)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, Explain(err, "the node groups of the cluster cannot be listed")
		}
		for _, name := range page.Nodegroups {
			found, err := e.describe(ctx, name)
			if isNotFound(err) {
				continue // deleted meanwhile
			}
			if err != nil {
				return nil, Explain(err, "the node group "+name+" cannot be looked at")
			}
			groups = append(groups, nodeGroupOf(found))
		}
	}
	slices.SortFunc(groups, func(a, b NodeGroup) int { return strings.Compare(a.Name, b.Name) })
	return groups, nil
}

func (e *EKS) describe(ctx context.Context, name string) (*types.Nodegroup, error) {
	found, err := e.client.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: aws.String(e.Cluster), NodegroupName: aws.String(name)})
	if err != nil {
		return nil, err
	}
	return found.Nodegroup, nil
}

func nodeGroupOf(found *types.Nodegroup) NodeGroup {
	group := NodeGroup{
		Name: aws.ToString(found.NodegroupName), Title: found.Tags["Name"], Version: aws.ToString(found.Version),
		State: State(found.Status), InstanceTypes: found.InstanceTypes, Created: aws.ToTime(found.CreatedAt),
	}
	if group.Title == "" {
		group.Title = group.Name
	}
	if found.ScalingConfig != nil {
		group.Desired = int(aws.ToInt32(found.ScalingConfig.DesiredSize))
	}
	if found.Health != nil {
		for _, issue := range found.Health.Issues {
			group.Issues = append(group.Issues, fmt.Sprintf("%s: %s", issue.Code, aws.ToString(issue.Message)))
		}
	}
	return group
}

// UpdateNodeGroup asks for the Kubernetes version of a node group: EKS replaces
// its nodes one after the other, and drains each. With force it does not mind
// disruption budgets in the end.
func (e *EKS) UpdateNodeGroup(ctx context.Context, name, version string, force bool) (Update, error) {
	answer, err := e.client.UpdateNodegroupVersion(ctx, &eks.UpdateNodegroupVersionInput{
		ClusterName: aws.String(e.Cluster), NodegroupName: aws.String(name), Version: aws.String(version), Force: force,
	})
	if err != nil {
		return Update{}, Explain(err, fmt.Sprintf("EKS does not take the node group %s to %s", name, version))
	}
	return updateOf(answer.Update), nil
}

// CopyNodeGroup makes a node group that is like another one in all but its name
// and its instance type, and waits for nothing. One of that name that is there
// already is taken for it.
func (e *EKS) CopyNodeGroup(ctx context.Context, from, name, instanceType string) error {
	what := "the node group " + name + " could not be made"
	old, err := e.describe(ctx, from)
	if err != nil {
		return Explain(err, what)
	}
	input := &eks.CreateNodegroupInput{
		ClusterName: aws.String(e.Cluster), NodegroupName: aws.String(name), InstanceTypes: []string{instanceType},
		NodeRole: old.NodeRole, Subnets: old.Subnets, Version: old.Version, AmiType: old.AmiType, CapacityType: old.CapacityType,
		Labels: old.Labels, Taints: old.Taints, Tags: ownTags(old.Tags), ScalingConfig: old.ScalingConfig, UpdateConfig: old.UpdateConfig,
	}
	if old.LaunchTemplate != nil { // EKS wants its id or its name, not both
		input.LaunchTemplate = &types.LaunchTemplateSpecification{Id: old.LaunchTemplate.Id, Version: old.LaunchTemplate.Version}
	} else {
		input.DiskSize, input.RemoteAccess = old.DiskSize, old.RemoteAccess
	}
	_, err = e.client.CreateNodegroup(ctx, input)
	if err != nil {
		if _, describeErr := e.describe(ctx, name); describeErr == nil {
			return nil
		}
		return Explain(err, what)
	}
	return nil
}

// ownTags are those that a user may set.
func ownTags(tags map[string]string) map[string]string {
	own := map[string]string{}
	for key, value := range tags {
		if !strings.HasPrefix(key, "aws:") {
			own[key] = value
		}
	}
	return own
}

// NodeGroup describes one node group; its State is empty if it is not there.
func (e *EKS) NodeGroup(ctx context.Context, name string) (NodeGroup, error) {
	found, err := e.describe(ctx, name)
	if isNotFound(err) {
		return NodeGroup{Name: name}, nil
	}
	if err != nil {
		return NodeGroup{}, Explain(err, "the node group "+name+" cannot be looked at")
	}
	return nodeGroupOf(found), nil
}

// DeleteNodeGroup asks for the deletion of a node group; one that is not there,
// or on its way out, is deleted.
func (e *EKS) DeleteNodeGroup(ctx context.Context, name string) error {
	group, err := e.NodeGroup(ctx, name)
	if err != nil || group.State == "" || group.State.isGoing() {
		return err
	}
	_, err = e.client.DeleteNodegroup(ctx, &eks.DeleteNodegroupInput{ClusterName: aws.String(e.Cluster), NodegroupName: aws.String(name)})
	if err != nil && !isNotFound(err) {
		return Explain(err, "the node group "+name+" could not be deleted")
	}
	return nil
}
