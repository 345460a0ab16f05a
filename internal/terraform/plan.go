package terraform

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/terraform-exec/tfexec"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
)

// Plan is what an apply would do. It is saved: Apply does just that.
type Plan struct {
	Goal    engine.Goal
	Changes []Change

	file string
	// succeeded are addresses where something else is now than the state has;
	// before it is carried out, the plan is made anew without them in the state.
	succeeded []string
}

// Change is what happens to one resource.
type Change struct {
	Action  engine.Action
	Address string // as Terraform writes it
	Title   string // as a person would: "EKS node group data"
	Type    string // "aws_eks_node_group"
	Reason  string // why it is replaced or deleted, in Terraform's words; may be empty
	Notable bool   // takes long, costs much or holds data
	Holds   bool   // data is lost with it
}

// Plan compares the configuration with what is there, and saves the result for
// Apply. It takes no lock: Apply refuses a plan that the state has left behind.
func (w *Workspace) Plan(ctx context.Context, goal engine.Goal) (*Plan, error) {
	plan, diagnostics, err := w.plan(ctx, goal)
	if err != nil && w.again(diagnostics) {
		plan, _, err = w.plan(ctx, goal)
	}
	switch {
	case err != nil || goal != engine.GoalPresent:
		return plan, err
	case len(plan.Changes) == 0: // nothing was left to do after all
		return plan, w.forget(halfFile)
	}
	return w.planAdopting(ctx, plan)
}

// planAdopting plans again with what is there and the state does not know, until
// nothing more is found: the id of what belongs to something else, such as a route
// of a route table, is known only when that is taken over.
func (w *Workspace) planAdopting(ctx context.Context, plan *Plan) (*Plan, error) {
	adopted, tried := adoption{}, adoption{}
	var succeeded []string
	for {
		found, err := w.adoptable(ctx, plan, len(tried) > 0)
		if err != nil {
			return nil, err
		}
		succeeded = append(succeeded, plan.succeeded...)
		if adopted.add(found, tried) == 0 {
			break
		}
		if plan, err = w.planImporting(ctx, plan, adopted, w.Targets); err != nil {
			return nil, err
		}
	}
	plan.succeeded = slices.Compact(slices.Sorted(slices.Values(succeeded)))
	for i, change := range plan.Changes {
		if slices.Contains(plan.succeeded, change.Address) {
			plan.Changes[i].Action = engine.ActionUpdate // it is there: only the state changes
		}
	}
	return plan, nil
}

// planImporting plans the targets with imports; without any, plan is it.
func (w *Workspace) planImporting(ctx context.Context, plan *Plan, adopted adoption, targets []string) (*Plan, error) {
	var err error
	for err == nil && len(adopted) > 0 {
		if err = w.writeImports(adopted); err != nil {
			break
		}
		var diagnostics []Diagnostic
		plan, diagnostics, err = w.planFor(ctx, engine.GoalPresent, targets)
		if err == nil || !adopted.gone(diagnostics) {
			break
		}
		if err = w.writeImports(nil); err == nil && len(adopted) == 0 {
			plan, _, err = w.planFor(ctx, engine.GoalPresent, targets)
		}
	}
	// The saved plan holds the imports; the configuration shall not.
	return plan, errors.Join(err, w.writeImports(nil))
}

// PlanAdoption plans to take over what Strangers has found, with what that
// needs and nothing else. The plan is empty if the configuration has no place
// for it.
func (w *Workspace) PlanAdoption(ctx context.Context) (*Plan, error) {
	plan, _, err := w.plan(ctx, engine.GoalPresent)
	if err != nil {
		return nil, err
	}
	adopted, err := w.adoptable(ctx, plan, false)
	if err != nil || len(adopted) == 0 {
		plan.Discard()
		return &Plan{Goal: engine.GoalPresent}, err
	}
	return w.planImporting(ctx, plan, adopted, slices.Sorted(maps.Keys(adopted)))
}

// Strangers lists what is there with the environment's tags and is not among
// what the plan, which removes the environment, is going to remove.
func (w *Workspace) Strangers(ctx context.Context, plan *Plan) ([]awscloud.Resource, error) {
	shown, err := w.shown(ctx, plan)
	if err != nil {
		return nil, err
	}
	strangers, err := w.strangers(ctx, shown.ResourceChanges)
	if err != nil {
		return nil, err
	}
	return w.Account.Present(ctx, strangers)
}

// plan plans without imports: those that a killed gmctl was planning with are not
// all that there are.
func (w *Workspace) plan(ctx context.Context, goal engine.Goal) (*Plan, []Diagnostic, error) {
	if err := w.writeImports(nil); err != nil {
		return nil, nil, err
	}
	return w.planFor(ctx, goal, w.Targets)
}

func (w *Workspace) planFor(ctx context.Context, goal engine.Goal, targets []string) (*Plan, []Diagnostic, error) {
	if err := w.Init(ctx); err != nil {
		return nil, nil, err
	}
	if err := w.recoverState(ctx); err != nil {
		return nil, nil, err
	}
	runner, err := w.terraform()
	if err != nil {
		return nil, nil, err
	}
	plan := &Plan{Goal: goal, file: filepath.Join(w.Dir, string(goal)+".tfplan")}
	messages := &stream{Each: plan.take}
	options := []tfexec.PlanOption{tfexec.Out(plan.file), tfexec.Lock(false), tfexec.Destroy(goal == engine.GoalAbsent)}
	for _, target := range targets {
		options = append(options, tfexec.Target(target))
	}
	changed, err := runner.PlanJSON(ctx, messages, options...)
	if err != nil {
		return nil, messages.Diagnostics, w.explain(ctx, "Terraform could not plan", err, messages.Diagnostics)
	}
	if !changed {
		plan.Changes = nil // what the stream names then is only moved
	}
	// It holds what the state does.
	return plan, nil, os.Chmod(plan.file, 0o600)
}

func (p *Plan) take(m message) {
	switch m.Type {
	case "planned_change":
		action, ok := map[string]engine.Action{
			"create": engine.ActionCreate, "update": engine.ActionUpdate, "replace": engine.ActionReplace, "delete": engine.ActionDelete,
			"import": engine.ActionUpdate, // it is there: only the state changes
		}[m.Change.Action]
		if !ok { // read, no-op, move
			return
		}
		kind := kindOf(m.Change.Resource.Type)
		if m.Change.Reason == "tainted" && heals(m.Change.Resource.Type) {
			action = engine.ActionUpdate // Heal keeps it, unless it came to nothing
		}
		p.Changes = append(p.Changes, Change{
			Action: action, Address: m.Change.Resource.Address, Title: m.Change.Resource.title(), Type: m.Change.Resource.Type,
			Reason: m.Change.Reason, Notable: kind.notable(),
			Holds: kind.data && (action == engine.ActionDelete || action == engine.ActionReplace),
		})
	case "outputs":
		if len(p.Changes) > 0 {
			return
		}
		for _, output := range m.Outputs {
			if output.Action != "" && output.Action != "noop" {
				p.Changes = append(p.Changes, Change{Action: engine.ActionUpdate, Address: "outputs", Title: "outputs"})
				return
			}
		}
	}
}

// Discard forgets a plan that is not going to be applied.
func (p *Plan) Discard() { _ = os.Remove(p.file) } // the next one overwrites it
