package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Plan returns what Up or Teardown would do to each selected stage, in the
// order in which they would come to it. Nothing is changed.
//
// All stages are planned at once, so one that needs another which is not there
// yet says so in its plan's Deferred. A stage that could not be planned carries
// its problem in Err; the plans of the others are returned with the error.
func (e *Engine) Plan(ctx context.Context, goal Goal, selection Selection) ([]StagePlan, error) {
	chosen, err := e.Graph.choose(selection)
	if err != nil {
		return nil, err
	}
	known, err := e.Journal.past(e.Graph.Names())
	if err != nil {
		return nil, err
	}
	nodes := slices.DeleteFunc(e.Graph.Nodes(), func(node Node) bool { return !chosen[node.Name] })
	if goal == GoalAbsent {
		slices.Reverse(nodes)
	}
	plans := make([]StagePlan, len(nodes))
	limit := make(chan struct{}, e.Parallelism)
	var work sync.WaitGroup
	for i, node := range nodes {
		limit <- struct{}{}
		work.Go(func() {
			defer func() { <-limit }()
			plans[i] = planned(ctx, node, goal, known[node.Name])
			plans[i].Err = e.Remedy(plans[i].Err)
		})
	}
	work.Wait()
	if ctx.Err() != nil && !timedOut(ctx) {
		return nil, &problem.Error{What: "interrupted", Kind: problem.Cancelled, Next: "nothing was changed; run it again: " + e.Command}
	}
	if goal == GoalAbsent {
		nameOnce(plans)
	}
	return plans, planErrors(plans)
}

// nameOnce leaves what goes with several stages, such as the objects of a kind with
// the kind, to the first that removes it.
func nameOnce(plans []StagePlan) {
	named := map[Change]bool{}
	for i := range plans {
		plans[i].Plan.Changes = slices.DeleteFunc(slices.Clone(plans[i].Plan.Changes), func(change Change) bool {
			again := change.Action == ActionDelete && named[change]
			named[change] = true
			return again
		})
	}
}

func planned(ctx context.Context, node Node, goal Goal, known stagePast) StagePlan {
	plan, err := planStage(ctx, node, goal)
	if err != nil {
		return StagePlan{Stage: node.Name, Err: stageProblem(node.Name, "could not be planned", err)}
	}
	result := StagePlan{Stage: node.Name, Plan: plan}
	if plan.Empty() {
		result.Resume = known.resume(goal, plan)
	}
	return result
}

func planErrors(plans []StagePlan) error {
	var problems stageErrors
	var stages []string
	for _, plan := range plans {
		if plan.Err != nil {
			problems = append(problems, plan.Err)
			stages = append(stages, plan.Stage)
		}
	}
	switch len(problems) {
	case 0:
		return nil
	case 1:
		return problems[0]
	}
	return &problem.Error{
		What:  fmt.Sprintf("%d stages could not be planned: %s", len(stages), strings.Join(stages, ", ")),
		Cause: problems, Kind: problems.kind(),
	}
}
