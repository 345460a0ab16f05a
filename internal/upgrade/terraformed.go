package upgrade

import (
	"context"
	"fmt"
	"strings"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// terraformed is Terraform's stage of the environment after what was done past
// Terraform: it may take note of what is there, and has nothing to change. It
// stands in the journal under the stage's own name, so that the next `gmctl up`
// knows that it was applied with the new configuration.
type terraformed struct {
	step
	*Options
	configured func() (bool, error) // whether the configuration is as it will be
}

// Plan waits for the steps before: until they are done Terraform would want to
// do them itself.
func (s *terraformed) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	done, err := s.configured()
	if err != nil {
		return engine.Plan{}, err
	}
	if !done {
		return engine.Plan{Deferred: "Terraform's plan must be empty after all this, which is looked at in the end"}, nil
	}
	infra, err := s.Infra()
	if err != nil {
		return engine.Plan{}, err
	}
	return infra.Plan(ctx, goal)
}

func (s *terraformed) Apply(ctx context.Context, report engine.Reporter) error {
	infra, err := s.Infra()
	if err != nil {
		return err
	}
	plan, err := infra.Plan(ctx, engine.GoalPresent)
	if err != nil {
		return err
	}
	if p := unexpected(plan); p != nil {
		return p
	}
	if err := infra.Apply(ctx, report); err != nil {
		return err
	}
	again, err := s.Infra() // one that has not planned yet
	if err != nil {
		return err
	}
	plan, err = again.Plan(ctx, engine.GoalPresent)
	if err != nil {
		return err
	}
	if plan.Empty() {
		report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "Terraform's plan is empty"})
		return nil
	}
	return notEmpty(plan.Changes)
}

// unexpected is nil if the plan only takes note of what is there.
func unexpected(plan engine.Plan) error {
	var changes []engine.Change
	for _, change := range plan.Changes {
		if change.Action != engine.ActionUpdate {
			changes = append(changes, change)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return notEmpty(changes)
}

func notEmpty(changes []engine.Change) error {
	texts := make([]string, len(changes))
	for i, change := range changes {
		texts[i] = fmt.Sprintf("%s %s", change.Action, change.Object)
	}
	return &problem.Error{
		What: "Terraform still has something to do: " + strings.Join(texts, ", "), Kind: problem.Unhealthy,
		Next: "see whether you want it: gmctl plan; then gmctl up does it",
	}
}
