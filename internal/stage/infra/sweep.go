package infra

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
)

// takeOver has the plan to remove the environment know of all that is there. A
// killed apply leaves resources that its state does not know, and a request that
// was sent twice leaves two where Terraform knows one. What the configuration
// has a place for, Terraform takes over and removes in the right order; the rest
// is deleted here.
func (s *Stage) takeOver(ctx context.Context, at site, report engine.Reporter) error {
	strangers, err := s.strangers(ctx, at, report)
	if err != nil || len(strangers) == 0 {
		return err
	}
	report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "taking over what Terraform's state does not know: " + titles(strangers)})
	if err := s.adopt(ctx, at, report); err != nil {
		if ctx.Err() != nil {
			return err
		}
		report.Report(engine.Update{Kind: engine.UpdateWarning, Message: "they could not be taken over: " + err.Error()})
	}
	strangers, err = s.strangers(ctx, at, report)
	if err != nil {
		return err
	}
	strangers = slices.DeleteFunc(strangers, func(resource awscloud.Resource) bool { return !awscloud.CanDelete(resource.ARN) })
	if err := s.deleteStrangers(ctx, at, strangers, report); ctx.Err() != nil {
		return err
	}
	return nil // what is left of them is for the proof at the end to tell
}

// titles names the first few of the resources.
func titles(resources []awscloud.Resource) string {
	const few = 3
	var names []string
	for _, resource := range resources[:min(few, len(resources))] {
		names = append(names, title(resource))
	}
	text := strings.Join(names, ", ")
	if more := len(resources) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// strangers lists what is there and the plan to remove the environment does not
// remove. That plan is kept for what follows.
func (s *Stage) strangers(ctx context.Context, at site, report engine.Reporter) ([]awscloud.Resource, error) {
	plan, err := s.take(ctx, at, engine.GoalAbsent, report)
	if err != nil {
		return nil, err
	}
	s.planned = &planned{goal: engine.GoalAbsent, at: time.Now(), plan: plan}
	strangers, err := at.workspace.Strangers(ctx, plan)
	if err != nil {
		return nil, err
	}
	// The launch templates tag the nodes, their disks and interfaces too.
	return notInUse(ctx, at, slices.DeleteFunc(strangers, staysByDesign))
}

func (s *Stage) adopt(ctx context.Context, at site, report engine.Reporter) error {
	plan, err := at.workspace.PlanAdoption(ctx)
	if err != nil || len(plan.Changes) == 0 {
		return err
	}
	s.planned = nil // it does not know them
	return at.workspace.Apply(ctx, plan, report)
}

func (s *Stage) deleteStrangers(ctx context.Context, at site, strangers []awscloud.Resource, report engine.Reporter) error {
	_, err := at.session.DeleteAll(ctx, strangers, func(resource awscloud.Resource) {
		report.Report(engine.Update{Kind: engine.UpdateWarning, Message: "removed what Terraform's state did not know: " + title(resource)})
	})
	return err
}

// staysByDesign reports whether teardown leaves the resource: snapshots are what
// a database is brought back from.
func staysByDesign(resource awscloud.Resource) bool {
	_, kind, _ := awscloud.ARNParts(resource.ARN)
	return kind == "snapshot" || kind == "auto-backup"
}

// leftovers lists what is really there with the environment's tags.
func (s *Stage) leftovers(ctx context.Context, at site) ([]awscloud.Resource, error) {
	owned, err := s.account(at.session).Owned(ctx)
	if err != nil {
		return nil, err
	}
	return at.session.Present(ctx, slices.DeleteFunc(owned, staysByDesign))
}

// prove ends a removal: nothing that carries the environment's tags is there
// any more. What can be deleted without Terraform is, once.
func (s *Stage) prove(ctx context.Context, at site, report engine.Reporter) error {
	report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "looking for anything that is left"})
	left, err := s.leftovers(ctx, at)
	if err != nil || len(left) == 0 {
		return err
	}
	removable := slices.DeleteFunc(slices.Clone(left), func(resource awscloud.Resource) bool { return !awscloud.CanDelete(resource.ARN) })
	why := s.deleteStrangers(ctx, at, removable, report)
	if ctx.Err() != nil {
		return why
	}
	left, err = s.leftovers(ctx, at)
	if err != nil || len(left) == 0 {
		return err
	}
	return stillThere(left, why)
}

// planLeftovers plans to remove what is there although Terraform knows nothing
// of the environment any more.
func (s *Stage) planLeftovers(ctx context.Context, at site) (engine.Plan, error) {
	left, err := s.leftovers(ctx, at)
	if err != nil {
		return engine.Plan{}, err
	}
	var plan engine.Plan
	for _, resource := range left {
		plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionDelete, Object: title(resource), Detail: "Terraform does not know it"})
	}
	return plan, nil
}
