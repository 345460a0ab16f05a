package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// finish sums the run up, in the journal, in its last event, and for the caller.
func (r *run) finish(ctx context.Context) (*Result, error) {
	sum := r.sum()
	p := r.verdict(ctx, sum)
	status := StatusDone
	switch {
	case p != nil && p.Kind == problem.Cancelled:
		status = StatusCancelled
	case p != nil:
		status = StatusFailed
	}
	record := r.newRecord("", r.verb, status)
	record.Changes, record.Error, record.Elapsed = sum.counts(), recorded(p), sum.Elapsed
	if err := r.Journal.Append(record); err != nil && p == nil {
		p = problem.From(err)
	}
	r.emit(Event{Kind: RunDone, Problem: p, Elapsed: sum.Elapsed})
	if p == nil {
		return sum, nil
	}
	return sum, p
}

func (r *run) sum() *Result {
	sum := &Result{Run: r.id, Elapsed: r.Now().Sub(r.started)}
	for _, node := range r.order {
		lists := map[outcome]*[]string{
			changed: &sum.Changed, unchanged: &sum.Unchanged, failed: &sum.Failed, blocked: &sum.Blocked, cancelled: &sum.Cancelled,
		}
		list := lists[r.results[node.Name].outcome]
		if !r.chosen[node.Name] {
			list = &sum.Excluded
		}
		if list != nil {
			*list = append(*list, node.Name)
		}
	}
	return sum
}

// counts says how many stages ended how.
func (s *Result) counts() []string {
	var counts []string
	for _, list := range []struct {
		outcome outcome
		stages  []string
	}{{changed, s.Changed}, {unchanged, s.Unchanged}, {failed, s.Failed}, {blocked, s.Blocked}, {cancelled, s.Cancelled}, {excluded, s.Excluded}} {
		if len(list.stages) > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", len(list.stages), list.outcome))
		}
	}
	return counts
}

// verdict is nil if every chosen stage is as the goal wants it.
func (r *run) verdict(ctx context.Context, sum *Result) *problem.Error {
	var problems stageErrors
	for _, name := range sum.Failed {
		problems = append(problems, r.results[name].problem)
	}
	undone := len(r.chosen) - len(sum.Changed) - len(sum.Unchanged)
	switch {
	case undone == 0:
		return nil
	case ctx.Err() != nil && !timedOut(ctx):
		return r.cancelledProblem(ctx, problems)
	case len(problems) == 1:
		return problems[0]
	case len(problems) > 1:
		return &problem.Error{
			What:  fmt.Sprintf("%d stages failed: %s", len(problems), strings.Join(sum.Failed, ", ")),
			Cause: problems, Kind: problems.kind(), Next: "repair what each of them names; " + r.goOn(),
		}
	}
	return &problem.Error{
		What: fmt.Sprintf("%s did not finish in time", r.Command), Cause: context.Cause(ctx),
		Next: "allow more time with --timeout; " + r.goOn(),
	}
}

func (r *run) cancelledProblem(ctx context.Context, failed stageErrors) *problem.Error {
	p := &problem.Error{What: "interrupted", Kind: problem.Cancelled, Next: r.goOn()}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		p.Cause = cause
	}
	if len(failed) > 0 {
		p.Cause = failed
	}
	return p
}

// goOn says how the run is continued.
func (r *run) goOn() string {
	return fmt.Sprintf("run: %s (it goes on where it stopped)", r.Command)
}

// stageErrors are the problems of several stages.
type stageErrors []*problem.Error

func (s stageErrors) Error() string {
	texts := make([]string, len(s))
	for i, p := range s {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "; ")
}

func (s stageErrors) Unwrap() []error {
	all := make([]error, len(s))
	for i, p := range s {
		all[i] = p
	}
	return all
}

// kind is what all of them have in common.
func (s stageErrors) kind() problem.Kind {
	for _, p := range s {
		if p.Kind != s[0].Kind {
			return problem.Failed
		}
	}
	return s[0].Kind
}
