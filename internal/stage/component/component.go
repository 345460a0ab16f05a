// Package component is the stage of one component that the local supervisor
// runs: PostgreSQL, Kafka, ingestion or the relay.
package component

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/local"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Options describe a component.
type Options struct {
	Name     string   // as the supervisor knows it
	Detail   string   // how it is run, in a few words
	Data     []string // the directories that hold its data, what its figures count first; none: it keeps nothing
	KeepData bool     // Destroy leaves them
	// Probe, which may be nil, tries whether the component serves. The supervisor
	// learns a moment later than its clients that a component has died.
	Probe func(ctx context.Context) error
	// EndLeftovers, which may be nil, ends what outlives a supervisor that was
	// killed, and says what it does.
	EndLeftovers func(ctx context.Context, doing func(string)) error
}

type stage struct {
	client *local.Client
	Options
}

// New returns the stage of a component.
func New(client *local.Client, options Options) engine.Stage {
	return &stage{client, options}
}

// Plan starts what is not ready; to remove is to stop it and delete its data.
func (s *stage) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	running, err := s.client.Snapshot(ctx, goal == engine.GoalAbsent)
	if err != nil && !errors.Is(err, local.ErrNotRunning) && goal == engine.GoalPresent {
		return engine.Plan{}, err
	}
	status := running.Component(s.Name)
	if goal == engine.GoalAbsent {
		return s.planAbsent(status)
	}
	var plan engine.Plan
	for _, dir := range s.Data {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionCreate, Object: "data of " + s.Name, Detail: dir})
		}
	}
	switch status.State {
	case engine.StateReady, engine.StateDegraded:
		if err := s.probe(ctx); err != nil {
			return engine.Plan{Changes: []engine.Change{{Action: engine.ActionRestart, Object: s.Name, Detail: err.Error()}}}, nil //nolint:nilerr // it is the change's reason
		}
		return engine.Plan{}, nil
	case engine.StateDown:
		plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionRestart, Object: s.Name, Detail: status.Problem.Error().Error()})
	default:
		plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionStart, Object: s.Name, Detail: s.Detail})
	}
	return plan, nil
}

func (s *stage) planAbsent(status local.Status) (engine.Plan, error) {
	var plan engine.Plan
	if status.State != engine.StateAbsent {
		plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionStop, Object: s.Name, Detail: status.Summary})
	}
	for i, dir := range s.Data {
		size, err := sizeOf(dir)
		if errors.Is(err, fs.ErrNotExist) {
			dir = doomed(dir)
			size, err = sizeOf(dir)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return plan, err
		}
		change := engine.Change{Action: engine.ActionDelete, Object: "data of " + s.Name, Detail: dir, Holds: humanize.Bytes(size)}
		if i == 0 {
			change.Holds = holds(status, size)
		}
		if s.KeepData && dir != doomed(s.Data[i]) {
			change.Action = engine.ActionKeep
		}
		plan.Changes = append(plan.Changes, change)
	}
	return plan, nil
}

// holds says what is lost with a component's data.
func holds(status local.Status, size int64) string {
	text := humanize.Bytes(size)
	for _, figure := range status.Figures {
		if figure.Unit == "events" && figure.Value > 0 {
			text = fmt.Sprintf("%s, %s", humanize.Quantity(figure.Value, figure.Unit), text)
		}
	}
	return text
}

// sizeOf returns how many bytes the files below dir hold.
func sizeOf(dir string) (int64, error) {
	var total int64
	if _, err := os.Stat(dir); err != nil {
		return 0, err
	}
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // files come and go while the component runs
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		if info, err := entry.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total, err
}

// probeTimeout bounds one probe, serveTimeout all of them until one succeeds.
const (
	probeTimeout = 5 * time.Second
	serveTimeout = 30 * time.Second
)

func (s *stage) probe(ctx context.Context) error {
	if s.Probe == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return s.Probe(ctx)
}

// finishRemoval deletes what a killed Destroy left half deleted.
func (s *stage) finishRemoval() error {
	for _, dir := range s.Data {
		if err := os.RemoveAll(doomed(dir)); err != nil {
			return err
		}
	}
	return nil
}

// Apply starts the component and waits until it is ready, and serves.
func (s *stage) Apply(ctx context.Context, report engine.Reporter) error {
	if err := s.finishRemoval(); err != nil {
		return err
	}
	for began, said := time.Now(), ""; ; {
		if err := s.client.Start(ctx, s.Name, report); err != nil {
			return err
		}
		err := s.probe(ctx)
		if err == nil {
			return nil
		}
		if time.Since(began) > serveTimeout {
			return &problem.Error{What: fmt.Sprintf("%s runs but does not serve", s.Name), Cause: err, Next: "read why: gmctl logs " + s.Name}
		}
		if said != err.Error() {
			said = err.Error()
			report.Report(engine.Update{Kind: engine.UpdateWaiting, Message: s.Name + " to answer: " + said})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Check asks the supervisor.
func (s *stage) Check(ctx context.Context) (engine.Health, error) {
	running, err := s.client.Snapshot(ctx, true)
	if errors.Is(err, local.ErrNotRunning) {
		return engine.Health{State: engine.StateAbsent}, nil
	}
	if err != nil {
		return engine.Health{State: engine.StateUnknown}, nil //nolint:nilerr // the supervisor's own stage says why
	}
	status := running.Component(s.Name)
	health := engine.Health{
		State: status.State, Since: status.Since, Summary: status.Summary,
		Endpoints: status.Endpoints, Figures: status.Figures, Problem: status.Problem.Error(),
	}
	if status.State == engine.StateStarting {
		health.Summary = status.Message
	}
	if status.State == engine.StateAbsent {
		health.State = engine.StateDown
		health.Problem = &problem.Error{What: s.Name + " is not started", Next: "start it: gmctl up"}
	}
	return health, nil
}

// Destroy stops the component and deletes its data, or keeps it if so wanted.
func (s *stage) Destroy(ctx context.Context, report engine.Reporter) error {
	if err := s.client.Stop(ctx, s.Name, report); err != nil {
		return err
	}
	if s.EndLeftovers != nil {
		doing := func(message string) { report.Report(engine.Update{Kind: engine.UpdateProgress, Message: message}) }
		if err := s.EndLeftovers(ctx, doing); err != nil {
			return err
		}
	}
	if s.KeepData {
		return s.finishRemoval()
	}
	for _, dir := range s.Data {
		report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "deleting " + dir})
		if err := remove(dir); err != nil {
			return &problem.Error{What: "the data of " + s.Name + " could not be deleted", Cause: err, Next: "see who holds it, then: gmctl teardown"}
		}
	}
	return nil
}

// doomed is the name under which a directory is deleted, so that a kill half-way
// leaves no half a directory under the name that is relied on.
func doomed(dir string) string { return dir + ".deleting" }

// remove deletes dir, and what an earlier remove of it left.
func remove(dir string) error {
	if err := os.RemoveAll(doomed(dir)); err != nil {
		return err
	}
	if err := os.Rename(dir, doomed(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(doomed(dir))
}
