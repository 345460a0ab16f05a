package environment

import (
	"context"

	"github.com/gamemetrics/gmctl/internal/capacity"
	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/upgrade"
)

// Upgrade returns what an upgrade of the environment's cluster works with.
func (e *Environment) Upgrade(ctx context.Context) (*upgrade.Options, error) {
	p, err := e.onAWS()
	if err != nil {
		return nil, err
	}
	outputs, err := p.outputs(ctx)
	if err != nil {
		return nil, p.notUp(err)
	}
	client, err := p.kube(ctx)
	if err != nil {
		return nil, err
	}
	session, err := p.session(ctx)
	if err != nil {
		return nil, err
	}
	settings := &settings{path: e.configPath, env: e.Name}
	return &upgrade.Options{
		Name: e.Name, EKS: session.EKS(outputs.Cluster.Name), Kubernetes: client, Settings: settings,
		Infra: func() (engine.Stage, error) {
			cfg, err := config.Load(settings.path)
			if err != nil {
				return nil, err
			}
			now, err := Open(cfg, e.Name, Options{})
			if err != nil {
				return nil, err
			}
			p, err := now.onAWS()
			if err != nil {
				return nil, err
			}
			return p.infra, nil
		},
		Place: p.place,
	}, nil
}

// place says what of the platform finds no place if a node group has that many
// nodes of another instance type.
func (p *awsPlatform) place(ctx context.Context, title, instanceType string, nodes int) ([]capacity.Finding, error) {
	objects, missing, err := p.everything(ctx)
	if err != nil {
		return nil, err
	}
	groups := capacityGroups(p.config)
	for i := range groups {
		if groups[i].Name == title {
			groups[i].InstanceType, groups[i].Nodes = instanceType, nodes
		}
	}
	findings, err := capacity.Check(objects, groups)
	if missing != nil {
		findings = append(findings, capacity.Finding{Unknown: true, Reason: "not checked: whether all has its place: " + missing.Error()})
	}
	return findings, err
}

// settings are the environment's in gmctl.yaml, read anew each time.
type settings struct{ path, env string }

var _ upgrade.Settings = (*settings)(nil)

func (s *settings) File() string { return s.path }

func (s *settings) aws() (config.AWS, error) {
	cfg, err := config.Load(s.path)
	if err != nil {
		return config.AWS{}, err
	}
	return cfg.Environments[s.env].AWS, nil
}

func (s *settings) KubernetesVersion() (string, error) {
	aws, err := s.aws()
	return aws.Kubernetes.Version, err
}

func (s *settings) SetKubernetesVersion(version string) error {
	return config.Edit(s.path, version, "environments", s.env, "aws", "kubernetes", "version")
}

func (s *settings) InstanceType(group string) (string, error) {
	aws, err := s.aws()
	return aws.NodeGroups[group].InstanceType, err
}

func (s *settings) SetInstanceType(group, instanceType string) error {
	return config.Edit(s.path, instanceType, "environments", s.env, "aws", "nodeGroups", group, "instanceType")
}

// Nodes returns the way to the nodes of the environment's cluster.
func (e *Environment) Nodes(ctx context.Context) (*kube.Client, error) {
	p, err := e.onAWS()
	if err != nil {
		return nil, err
	}
	client, err := p.kube(ctx)
	if err != nil {
		return nil, p.notUp(err)
	}
	return client, nil
}

func (e *Environment) onAWS() (*awsPlatform, error) {
	p, ok := e.platform.(*awsPlatform)
	if !ok {
		return nil, &problem.Error{
			What: "the environment " + e.Name + " has no Kubernetes", Next: "choose one on AWS: -e NAME", Kind: problem.Usage,
		}
	}
	return p, nil
}
