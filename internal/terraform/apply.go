package terraform

import (
	"context"
	"errors"
	"slices"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// ErrStale is that the state has changed since the plan was made: plan again.
var ErrStale = errors.New("the plan is out of date")

// Apply does what the plan says. Interrupted, it gives Terraform Grace to
// finish what it is at, save the state and release the lock. The error is a
// *problem.Error, or ErrStale.
func (w *Workspace) Apply(ctx context.Context, plan *Plan, report engine.Reporter) error {
	defer func() { plan.Discard() }()
	if len(plan.succeeded) > 0 {
		if err := w.succeed(ctx, plan.succeeded, report); err != nil {
			return err
		}
		next, err := w.Plan(ctx, plan.Goal)
		if err != nil {
			return err
		}
		plan = next
	}
	earlier, earlierErr := lastRun(w.Dir)
	for unlocked := false; ; unlocked = true {
		progress := &progress{report: report, total: len(plan.Changes), counted: true}
		messages := &stream{Each: progress.take}
		err := w.run(ctx, []string{"apply", "-json", "-input=false", plan.file}, messages)
		if err == nil {
			return nil
		}
		if slices.ContainsFunc(messages.Diagnostics, func(d Diagnostic) bool { return d.Summary == "Saved plan is stale" }) {
			return ErrStale
		}
		lock, locked := lockOf(messages.Diagnostics)
		if !locked || unlocked || earlierErr != nil || !w.provedStale(lock, earlier) {
			if locked && earlierErr == nil { // it is still the proof about its own lock
				err = errors.Join(err, w.record(earlier))
			}
			return w.explain(ctx, "Terraform did not finish", err, messages.Diagnostics)
		}
		if err := w.unlock(ctx, lock, report); err != nil {
			return err
		}
	}
}
