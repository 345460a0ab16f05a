package infra

import (
	"context"
	"fmt"
	"strings"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Kubernetes makes things in the account of which Terraform does not know: load
// balancers with their target groups and security groups for Services, volumes
// for PersistentVolumeClaims, network interfaces for pods. As long as the
// cluster lives, it removes them itself; what it did not come to is removed here.

// orphanTags are what its makers put on it, each of them on its own.
func orphanTags(cluster string) []map[string]string {
	return []map[string]string{
		{"kubernetes.io/cluster/" + cluster: "owned"}, // cloud provider, EBS CSI driver
		{"elbv2.k8s.aws/cluster": cluster},            // AWS Load Balancer Controller
		{"cluster.k8s.amazonaws.com/name": cluster},   // VPC CNI
	}
}

// orphans lists what Kubernetes has made for this cluster and for nothing else.
func (s *Stage) orphans(ctx context.Context, session *awscloud.Session) ([]awscloud.Resource, error) {
	listed := map[string]bool{}
	var orphans []awscloud.Resource
	for _, tags := range orphanTags(s.name()) {
		found, err := session.Owned(ctx, tags)
		if err != nil {
			return nil, err
		}
		for _, resource := range found {
			if madeByKubernetes(resource) && !listed[resource.ARN] {
				listed[resource.ARN] = true
				orphans = append(orphans, resource)
			}
		}
	}
	return session.Present(ctx, orphans)
}

// madeByKubernetes tells what Kubernetes has made from what EKS or Terraform
// has made for the cluster and tagged likewise.
func madeByKubernetes(resource awscloud.Resource) bool {
	if resource.Tags["ManagedBy"] == "gmctl" {
		return false
	}
	service, kind, _ := awscloud.ARNParts(resource.ARN)
	switch service + "/" + kind {
	case "elasticloadbalancing/loadbalancer", "elasticloadbalancing/targetgroup", "ec2/network-interface":
		return true
	case "ec2/volume":
		return resource.Tags["kubernetes.io/created-for/pvc/name"] != ""
	case "ec2/security-group": // EKS's own goes with the cluster
		return resource.Tags["aws:eks:cluster-name"] == ""
	}
	return false
}

// title names an orphan for a person.
func title(resource awscloud.Resource) string {
	_, kind, name := awscloud.ARNParts(resource.ARN)
	text := strings.ReplaceAll(kind, "-", " ") + " " + name
	if claim := resource.Tags["kubernetes.io/created-for/pvc/name"]; claim != "" {
		text += fmt.Sprintf(" of %s/%s", resource.Tags["kubernetes.io/created-for/pvc/namespace"], claim)
	}
	if service := resource.Tags["kubernetes.io/service-name"] + resource.Tags["service.k8s.aws/stack"]; service != "" {
		text += " of service " + service
	}
	return text
}

// removeDetached removes the orphans that nothing uses before the network goes.
// What nodes still hold is left to removeOrphans.
func (s *Stage) removeDetached(ctx context.Context, at site, report engine.Reporter) error {
	orphans, err := s.orphans(ctx, at.session)
	if err != nil {
		return err
	}
	detached, err := notInUse(ctx, at, orphans)
	if err != nil {
		return err
	}
	return s.remove(ctx, at, detached, report)
}

// notInUse leaves out the volumes and network interfaces that something holds, and
// the instances: they go with their node group, and what they hold with them.
func notInUse(ctx context.Context, at site, resources []awscloud.Resource) ([]awscloud.Resource, error) {
	var free []awscloud.Resource
	for _, resource := range resources {
		service, kind, _ := awscloud.ARNParts(resource.ARN)
		if service == "ec2" && kind == "instance" {
			continue
		}
		if service == "ec2" && (kind == "volume" || kind == "network-interface") {
			state, err := at.session.State(ctx, resource.ARN)
			if err != nil {
				return nil, err
			}
			if state == "in-use" {
				continue
			}
		}
		free = append(free, resource)
	}
	return free, nil
}

// removeOrphans removes what was left when the nodes were gone, and the log
// groups that AWS makes anew while its services end.
func (s *Stage) removeOrphans(ctx context.Context, at site, report engine.Reporter) error {
	orphans, err := s.orphans(ctx, at.session)
	if err != nil {
		return err
	}
	var logs []awscloud.Resource
	for _, group := range []string{"/aws/eks/" + s.name() + "/cluster", "/aws/rds/instance/" + s.name() + "/postgresql"} {
		logs = append(logs, awscloud.Resource{ARN: fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s", at.session.Region, at.session.Account, group)})
	}
	logs, err = at.session.Present(ctx, logs)
	if err != nil {
		return err
	}
	return s.remove(ctx, at, append(orphans, logs...), report)
}

func (s *Stage) remove(ctx context.Context, at site, orphans []awscloud.Resource, report engine.Reporter) error {
	left, err := at.session.DeleteAll(ctx, orphans, func(resource awscloud.Resource) {
		report.Report(engine.Update{Kind: engine.UpdateWarning, Message: "removed what Kubernetes had left: " + title(resource)})
	})
	if len(left) == 0 {
		return nil
	}
	return stillThere(left, err)
}

// stillThere is the problem that the environment is not gone.
func stillThere(left []awscloud.Resource, err error) error {
	names := make([]string, len(left))
	for i, resource := range left {
		names[i] = resource.ARN
	}
	return &problem.Error{
		What:  fmt.Sprintf("%d resources of the environment are still there: %s", len(left), strings.Join(names, ", ")),
		Cause: err, Kind: problem.Unhealthy,
		Next: "find out in the AWS console what uses them, then run it again: gmctl teardown",
	}
}
