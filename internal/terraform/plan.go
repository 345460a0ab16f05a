package terraform

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/hashicorp/terraform-exec/tfexec"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// Plan is what an apply would do. It is saved: Apply does just that.
type Plan struct {
	Goal    engine.Goal
	Changes []Change

	file string
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
	case err != nil || !w.unfinished():
		return plan, err
	case len(plan.Changes) == 0: // nothing was left to do after all
		return plan, os.Remove(filepath.Join(w.Dir, halfFile))
	case goal != engine.GoalPresent || w.Owned == nil:
		return plan, nil
	}
	return w.planAdopting(ctx, plan)
}

// planAdopting plans again with what the last apply has left out of its state.
func (w *Workspace) planAdopting(ctx context.Context, plan *Plan) (*Plan, error) {
	adopted, err := w.adoptable(ctx, plan)
	for err == nil && len(adopted) > 0 {
		if err := w.writeImports(adopted); err != nil {
			return nil, err
		}
		var diagnostics []Diagnostic
		plan, diagnostics, err = w.plan(ctx, plan.Goal)
		if err == nil || !adopted.gone(diagnostics) {
			break
		}
		plan, err = &Plan{Goal: engine.GoalPresent}, nil
	}
	// The saved plan holds the imports; the configuration shall not.
	return plan, errors.Join(err, w.writeImports(nil))
}

func (w *Workspace) plan(ctx context.Context, goal engine.Goal) (*Plan, []Diagnostic, error) {
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
	for _, target := range w.Targets {
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
