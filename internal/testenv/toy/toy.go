// Package toy is an environment of stages that do nothing, for tests of the
// commands: the engine, the journal and the lock are the real ones, and a test
// says what each stage answers.
package toy

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// Env is the name of the environment.
const Env = "local"

// Environment is a graph of toy stages with a journal and a lock of its own.
type Environment struct {
	Graph *engine.Graph
	dir   string

	Protected error // why it must not be torn down
	Followed  bool  // Follow was called
	Cleared   int   // how often Clear was called
}

// New returns an environment of the given stages in a directory of the test.
func New(t testing.TB, stages ...*Stage) *Environment {
	t.Helper()
	var nodes []engine.Node
	for _, stage := range stages {
		nodes = append(nodes, engine.Node{Name: stage.Name, Needs: stage.Needs, Stage: stage})
	}
	graph, err := engine.NewGraph(nodes...)
	if err != nil {
		t.Fatal(err)
	}
	return &Environment{Graph: graph, dir: t.TempDir()}
}

// JournalPath is the file of the journal.
func (e *Environment) JournalPath() string { return filepath.Join(e.dir, "journal.jsonl") }

// Removable returns Protected.
func (e *Environment) Removable(context.Context) error { return e.Protected }

// Lock makes the caller the only writer.
func (e *Environment) Lock(command string) (*engine.Lock, error) {
	return engine.AcquireLock(filepath.Join(e.dir, "lock"), engine.CurrentHolder(command))
}

// Clear counts how often a teardown has ended.
func (e *Environment) Clear() error {
	e.Cleared++
	return nil
}

// Engine returns the engine over the stages, one stage at a time so that its
// events have one order.
func (e *Environment) Engine(sink engine.Sink, command string) (*engine.Engine, error) {
	journal, err := engine.OpenJournal(e.JournalPath())
	if err != nil {
		return nil, err
	}
	return engine.New(engine.Options{
		Env: Env, Command: command, Who: func(context.Context) string { return "ada@lovelace" }, Graph: e.Graph, Journal: journal, Sink: sink, Parallelism: 1,
	}), nil
}

// Follow notes that it was called and waits for the end of ctx.
func (e *Environment) Follow(ctx context.Context) error {
	e.Followed = true
	<-ctx.Done()
	return nil
}

// Stage does what its fields say.
type Stage struct {
	Name  string
	Needs []string

	There  bool            // it is applied already
	Holds  string          // data that goes with it
	Keeps  bool            // Destroy leaves the data
	Health engine.Health   // Check's answer while it is there
	Says   []engine.Update // what it reports while it is applied
	Fails  error           // of Apply and Destroy
	Hangs  bool            // Apply ends only with its context
	Undead bool            // Destroy succeeds and removes nothing
	Loses  bool            // Apply replaces it, and loses what it holds
	Broken error           // of Plan

	mu      sync.Mutex
	applied int
}

var _ engine.Stage = (*Stage)(nil)

// Applied is how often Apply was called.
func (s *Stage) Applied() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}

// Plan starts what is not there, and removes what is.
func (s *Stage) Plan(_ context.Context, goal engine.Goal) (engine.Plan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var plan engine.Plan
	add := func(action engine.Action, object, holds string) {
		plan.Changes = append(plan.Changes, engine.Change{Action: action, Object: object, Holds: holds})
	}
	switch {
	case s.Broken != nil:
		return plan, s.Broken
	case goal == engine.GoalPresent && s.Loses:
		add(engine.ActionReplace, s.Name+" data", s.Holds)
	case goal == engine.GoalPresent && !s.There:
		add(engine.ActionStart, "process "+s.Name, "")
	case goal == engine.GoalAbsent && s.There:
		add(engine.ActionStop, "process "+s.Name, "")
		if s.Holds != "" && !s.Keeps {
			add(engine.ActionDelete, s.Name+" data", s.Holds)
		}
	}
	if goal == engine.GoalAbsent && s.Keeps {
		add(engine.ActionKeep, s.Name+" data", s.Holds)
	}
	return plan, nil
}

// Apply reports what it Says, and is there unless it Fails.
func (s *Stage) Apply(ctx context.Context, report engine.Reporter) error {
	for _, update := range s.Says {
		report.Report(update)
	}
	if s.Hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied++
	if s.Fails != nil {
		return s.Fails
	}
	s.There, s.Loses = true, false
	return nil
}

// Check answers Health, as ready since a fixed time where that says nothing.
func (s *Stage) Check(context.Context) (engine.Health, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.There {
		return engine.Health{State: engine.StateAbsent}, nil
	}
	health := s.Health
	if health.State == "" {
		health.State = engine.StateReady
		health.Since = time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	}
	return health, nil
}

// Destroy removes it, unless it Fails or is Undead.
func (s *Stage) Destroy(context.Context, engine.Reporter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Fails == nil && !s.Undead {
		s.There = false
	}
	return s.Fails
}
