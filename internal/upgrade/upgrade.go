// Package upgrade brings a cluster to another Kubernetes version, and node
// groups to another instance type, without a moment in which the platform is
// down or Terraform disagrees.
//
// Each step is a stage of the engine: the configuration, the control plane, the
// add-ons, one node group after the other, and at the end Terraform's plan, which
// must be empty. So a step that is done is seen by what is there, a killed
// upgrade goes on when it is run again, and the journal tells of it.
//
// The configuration goes first: whatever happens then, a `gmctl up` wants the
// same as the upgrade, and would bring it to its end.
package upgrade

import (
	"context"
	"time"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/capacity"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kube"
)

// EKS is the cluster as AWS manages it.
type EKS interface {
	ControlPlane(context.Context) (awscloud.ControlPlane, error)
	KubernetesVersions(context.Context) ([]string, error)
	UpdateControlPlane(ctx context.Context, version string, force bool) (awscloud.Update, error)

	Addons(context.Context) ([]awscloud.Addon, error)
	AddonVersions(ctx context.Context, addon, kubernetes string) (versions []string, byDefault string, err error)
	UpdateAddon(ctx context.Context, addon, version string) (awscloud.Update, error)

	NodeGroups(context.Context) ([]awscloud.NodeGroup, error)
	NodeGroup(ctx context.Context, name string) (awscloud.NodeGroup, error)
	UpdateNodeGroup(ctx context.Context, name, version string, force bool) (awscloud.Update, error)
	CopyNodeGroup(ctx context.Context, from, name, instanceType string) error
	DeleteNodeGroup(ctx context.Context, name string) error

	RunningUpdate(ctx context.Context, of awscloud.UpdateOf) (*awscloud.Update, error)
	Update(ctx context.Context, of awscloud.UpdateOf, id string) (awscloud.Update, error)
	UpgradeInsights(ctx context.Context, version string) (insights []awscloud.Insight, known bool, err error)
}

var _ EKS = (*awscloud.EKS)(nil)

// Kubernetes is the cluster from within.
type Kubernetes interface {
	Nodes(context.Context) ([]kube.Node, error)
	Cordon(ctx context.Context, node string, cordoned bool) error
	// Drain evicts the pods of a node; while a disruption budget blocks, it names
	// it and the pod.
	Drain(ctx context.Context, node string, report engine.Reporter) error
	// Blocked names a pod of a cordoned node that a disruption budget keeps, with
	// the budget, or nothing.
	Blocked(ctx context.Context) (string, error)
	BlockingPDBs(context.Context) ([]kube.BlockingPDB, error)
	DeprecatedAPIs(context.Context) ([]kube.DeprecatedAPI, error)
}

var _ Kubernetes = (*kube.Client)(nil)

// Settings are the part of the configuration that an upgrade changes.
type Settings interface {
	KubernetesVersion() (string, error)
	SetKubernetesVersion(version string) error
	InstanceType(group string) (string, error)
	SetInstanceType(group, instanceType string) error
	// File is where they stand, for a person to read.
	File() string
}

// Options are what is upgraded, and how.
type Options struct {
	Name       string // of the environment
	EKS        EKS
	Kubernetes Kubernetes
	Settings   Settings
	// Infra returns Terraform's stage with the configuration as it is now.
	Infra func() (engine.Stage, error)
	// Place says what of the platform finds no place if a node group has that
	// many nodes of another instance type.
	Place func(ctx context.Context, title, instanceType string, nodes int) ([]capacity.Finding, error)

	Force bool          // drain in spite of disruption budgets, in the end
	Poll  time.Duration // between two looks at something that takes minutes; 0: 10 s
}

func (o *Options) poll() time.Duration {
	if o.Poll > 0 {
		return o.Poll
	}
	return 10 * time.Second
}

// sleep waits for the next look.
func (o *Options) sleep(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(o.poll()):
		return nil
	}
}
