package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// work settles one stage: it plans it, and applies or destroys it where the
// plan or the journal says so. Of a stage that is left out it only learns
// whether it is in place.
func (r *run) work(ctx context.Context, node Node) result {
	if !r.chosen[node.Name] {
		return r.look(ctx, node)
	}
	began := r.Now()
	plan, err := r.foresight.plan(ctx, node, r.goal)
	switch {
	case ctx.Err() != nil:
		return r.interrupted(ctx, node, nil, err, began)
	case err != nil && r.goal == GoalAbsent:
		// Destroy alone knows what it can remove; a stage too broken to be
		// looked at must not be there for ever.
		plan = Plan{Deferred: "what is there could not be learned"}
	case err != nil:
		return r.planFailed(node, err, began)
	}
	if plan.Empty() && r.past[node.Name].resume(r.goal, plan) == "" {
		r.emit(Event{Kind: StageUnchanged, Stage: node.Name, Elapsed: r.Now().Sub(began)})
		return result{stage: node.Name, outcome: unchanged}
	}
	return r.change(ctx, node, plan, began)
}

// change applies or destroys one stage, between two records of the journal.
func (r *run) change(ctx context.Context, node Node, plan Plan, began time.Time) result {
	r.foresight.changes(r.Graph, node.Name)
	if err := r.record(node.Name, StatusStarted, &plan, nil, 0); err != nil {
		return r.unrecorded(node, err, began)
	}
	r.emit(Event{Kind: StageStarted, Stage: node.Name})
	err := protect(func() error {
		if r.verb == VerbDestroy {
			return node.Stage.Destroy(ctx, reporter{r, node.Name})
		}
		return node.Stage.Apply(ctx, reporter{r, node.Name})
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return r.interrupted(ctx, node, &plan, err, began)
	case err != nil:
		return r.changeFailed(node, &plan, stageProblem(node.Name, r.couldNot(), err), began)
	}
	elapsed := r.Now().Sub(began)
	if err := r.record(node.Name, StatusDone, &plan, nil, elapsed); err != nil {
		return r.unrecorded(node, err, began)
	}
	r.emit(Event{Kind: StageDone, Stage: node.Name, Elapsed: elapsed})
	return result{stage: node.Name, outcome: changed}
}

func (r *run) couldNot() string {
	if r.verb == VerbDestroy {
		return "could not be destroyed"
	}
	return "could not be applied"
}

// planFailed settles a stage that could not be planned. Nothing was done to it,
// so the record's verb is VerbPlan.
func (r *run) planFailed(node Node, err error, began time.Time) result {
	p := stageProblem(node.Name, "could not be planned", err)
	elapsed := r.Now().Sub(began)
	record := r.newRecord(node.Name, VerbPlan, StatusFailed)
	record.Error, record.Elapsed = recorded(p), elapsed
	return r.fail(node, p, r.Journal.Append(record), elapsed)
}

func (r *run) changeFailed(node Node, plan *Plan, p *problem.Error, began time.Time) result {
	elapsed := r.Now().Sub(began)
	return r.fail(node, p, r.record(node.Name, StatusFailed, plan, p, elapsed), elapsed)
}

// fail settles a failed stage. unrecorded is not nil if the journal could not
// be told; that stops the run, and is said with the failure.
func (r *run) fail(node Node, p *problem.Error, unrecorded error, elapsed time.Duration) result {
	if unrecorded != nil {
		both := unrecorded
		if p.Cause != nil {
			both = fmt.Errorf("%w; then %w", p.Cause, unrecorded)
		}
		p = &problem.Error{What: p.What, Cause: both, Kind: p.Kind, Next: problem.From(unrecorded).Next}
	}
	r.emit(Event{Kind: StageFailed, Stage: node.Name, Problem: p, Elapsed: elapsed})
	return result{stage: node.Name, outcome: failed, problem: p, halt: unrecorded != nil}
}

// unrecorded settles a stage that the journal could not be told of, and stops
// the run.
func (r *run) unrecorded(node Node, err error, began time.Time) result {
	settled := r.fail(node, problem.From(err), nil, r.Now().Sub(began))
	settled.halt = true
	return settled
}

// interrupted settles a stage that was at work when ctx ended. plan is nil if
// nothing was done to it yet.
func (r *run) interrupted(ctx context.Context, node Node, plan *Plan, err error, began time.Time) result {
	if timedOut(ctx) {
		p := &problem.Error{
			What:  fmt.Sprintf("stage %s did not finish in time", node.Name),
			Cause: late(ctx, err), Next: "allow more time with --timeout; " + r.goOn(),
		}
		if plan != nil {
			return r.changeFailed(node, plan, p, began)
		}
		return r.fail(node, p, nil, r.Now().Sub(began))
	}
	elapsed := r.Now().Sub(began)
	halt := false
	if plan != nil {
		p := stageProblem(node.Name, "was interrupted", err)
		halt = r.record(node.Name, StatusCancelled, plan, p, elapsed) != nil
	}
	r.emit(Event{Kind: StageCancelled, Stage: node.Name, Elapsed: elapsed})
	return result{stage: node.Name, outcome: cancelled, halt: halt}
}

// late is what a stage said when ctx's deadline had passed, and that it had.
func late(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case err == nil:
		return cause
	case errors.Is(err, cause), errors.Is(err, context.DeadlineExceeded):
		return err
	default:
		return fmt.Errorf("%w (%w)", cause, err)
	}
}

// look learns whether a stage that is left out is in place.
func (r *run) look(ctx context.Context, node Node) result {
	plan, err := planStage(ctx, node, r.goal)
	half := r.past[node.Name].halfDone()
	switch {
	case ctx.Err() != nil:
		return result{stage: node.Name, outcome: cancelled}
	case err != nil:
		return result{stage: node.Name, outcome: missing, problem: stageProblem(node.Name, "could not be planned", err)}
	case half != "":
		return result{stage: node.Name, outcome: missing, problem: &problem.Error{What: node.Name + ": " + half}}
	case !plan.Empty():
		return result{stage: node.Name, outcome: missing, problem: &problem.Error{What: node.Name + ": " + pending(plan)}}
	}
	return result{stage: node.Name, outcome: excluded}
}

// pending puts what a plan would do in a few words.
func pending(plan Plan) string {
	if len(plan.Changes) == 0 {
		return "to do: " + plan.Deferred
	}
	return "to do: " + strings.Join(summaries(plan.Changes), ", ")
}

// lacks says that stages before node are left out and not in place.
func (r *run) lacks(node Node, lacking []string) *problem.Error {
	var why stageErrors
	for _, name := range lacking {
		why = append(why, r.results[name].problem)
	}
	list, are := strings.Join(lacking, ", "), "is"
	if len(lacking) > 1 {
		are = "are"
	}
	what := fmt.Sprintf("stage %s needs %s, which %s left out and not in place", node.Name, list, are)
	if r.verb == VerbDestroy {
		what = fmt.Sprintf("stage %s is needed by %s, which %s left out and still there", node.Name, list, are)
	}
	return &problem.Error{What: what, Cause: why, Next: fmt.Sprintf("include %s, or leave %s out too", list, node.Name), Kind: problem.Usage}
}

func planStage(ctx context.Context, node Node, goal Goal) (plan Plan, err error) {
	err = protect(func() (err error) {
		plan, err = node.Stage.Plan(ctx, goal)
		return err
	})
	return plan, err
}
