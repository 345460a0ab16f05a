package terraform

import (
	"bytes"
	"context"
	"slices"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// heals reports whether a resource of the type, whose creation was interrupted
// while Terraform only waited for it, is whole once AWS says that it is ready:
// Terraform made it in one request.
func heals(resourceType string) bool {
	return slices.Contains([]string{
		"aws_db_instance", "aws_eks_addon", "aws_eks_cluster", "aws_eks_node_group", "aws_elasticache_replication_group", "aws_nat_gateway",
	}, resourceType)
}

// Heal keeps what an interrupted apply has made from being made again: Terraform
// marks it as tainted, and would replace a cluster that only had to become
// ready. ready says whether it did. Heal returns how many there were.
func (w *Workspace) Heal(ctx context.Context, ready func(ctx context.Context, id string) (bool, error), report engine.Reporter) (healed int, err error) {
	if err := w.Init(ctx); err != nil {
		return 0, err
	}
	runner, err := w.terraform()
	if err != nil {
		return 0, err
	}
	state, err := runner.Show(ctx)
	if err != nil {
		return 0, w.explain(ctx, "the Terraform state cannot be read", err, nil)
	}
	if state.Values == nil {
		return 0, nil
	}
	for _, resource := range tainted(state.Values.RootModule) {
		id, _ := resource.AttributeValues["arn"].(string)
		if id == "" {
			id, _ = resource.AttributeValues["id"].(string)
		}
		whole, err := ready(ctx, id)
		if err != nil {
			return healed, err
		}
		if !whole {
			continue
		}
		err = w.unlocking(ctx, report, func() error { return runner.Untaint(ctx, resource.Address) })
		if err != nil {
			return healed, w.explain(ctx, resource.Address+" could not be taken as it is", err, nil)
		}
		healed++
	}
	return healed, nil
}

// tainted lists the resources of the module and those below it that Terraform
// would replace, and that heal.
func tainted(module *tfjson.StateModule) []*tfjson.StateResource {
	if module == nil {
		return nil
	}
	var found []*tfjson.StateResource
	for _, resource := range module.Resources {
		if resource.Tainted && heals(resource.Type) {
			found = append(found, resource)
		}
	}
	for _, child := range module.ChildModules {
		found = append(found, tainted(child)...)
	}
	return found
}

// HasTainted reports whether a state, as Terraform writes it, has any resource
// that Terraform would replace.
func HasTainted(state []byte) bool { return bytes.Contains(state, []byte(`"status": "tainted"`)) }
