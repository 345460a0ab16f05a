// Package supervisor is the stage of the background process that runs a local
// environment's components.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/local"
	"github.com/gamemetrics/gmctl/internal/problem"
)

type stage struct {
	client *local.Client
	spec   local.Spec
}

// New returns the stage that keeps a supervisor running for spec.
func New(client *local.Client, spec local.Spec) engine.Stage {
	return &stage{client, spec}
}

// Plan compares the running supervisor's spec with the wanted one.
func (s *stage) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	running, err := s.client.Snapshot(ctx, false)
	switch {
	case errors.Is(err, local.ErrNotRunning):
		if goal == engine.GoalAbsent {
			return engine.Plan{}, nil
		}
		return change(engine.ActionStart, "one background process"), nil
	case goal == engine.GoalAbsent && err == nil:
		return change(engine.ActionStop, fmt.Sprintf("process %d", running.PID)), nil
	case goal == engine.GoalAbsent:
		return change(engine.ActionStop, problem.From(err).What), nil
	case err != nil:
		return change(engine.ActionRestart, err.Error()), nil
	case running.SpecHash != s.spec.Hash():
		return change(engine.ActionRestart, "gmctl or its configuration is another than the running one"), nil
	}
	return engine.Plan{}, nil
}

func change(action engine.Action, detail string) engine.Plan {
	return engine.Plan{Changes: []engine.Change{{Action: action, Object: "supervisor", Detail: detail}}}
}

// Apply starts the supervisor, after ending one that runs another spec.
func (s *stage) Apply(ctx context.Context, report engine.Reporter) error {
	running, err := s.client.Snapshot(ctx, false)
	if err == nil && running.SpecHash == s.spec.Hash() {
		return nil
	}
	if !errors.Is(err, local.ErrNotRunning) {
		report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "stopping the old supervisor"})
		if err := s.client.Shutdown(ctx, report); err != nil {
			return err
		}
	}
	report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "starting the background process"})
	return local.Launch(ctx, s.spec)
}

// Check asks the supervisor whether it answers.
func (s *stage) Check(ctx context.Context) (engine.Health, error) {
	running, err := s.client.Snapshot(ctx, false)
	if errors.Is(err, local.ErrNotRunning) {
		if _, err := os.Stat(s.spec.Dirs.Data); err != nil {
			return engine.Health{State: engine.StateAbsent}, nil //nolint:nilerr // it was never up
		}
		return engine.Health{State: engine.StateDown, Problem: &problem.Error{
			What: "the supervisor is not running, its data is there",
			Next: "start it again: gmctl up",
		}}, nil
	}
	if err != nil {
		return engine.Health{State: engine.StateDown, Problem: problem.From(err)}, nil
	}
	health := engine.Health{State: engine.StateReady, Since: running.Since, Summary: fmt.Sprintf("pid %d", running.PID)}
	if running.SpecHash != s.spec.Hash() {
		health.Problem = &problem.Error{What: "the supervisor runs another gmctl or configuration than this one", Next: "bring it up to date: gmctl up"}
	}
	return health, nil
}

// Destroy ends the supervisor, and with it all that it runs.
func (s *stage) Destroy(ctx context.Context, report engine.Reporter) error {
	return s.client.Shutdown(ctx, report)
}
