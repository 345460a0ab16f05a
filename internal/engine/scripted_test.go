package engine

import (
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// scripted is a stage that does what a test says.
type scripted struct {
	changes bool // its plan has a change
	plan    Plan // where changes is false
	apply   func(context.Context, Reporter) error
	check   func(context.Context) (Health, error)
	planner func(context.Context, Goal) (Plan, error)
}

func (s *scripted) Plan(ctx context.Context, goal Goal) (Plan, error) {
	switch {
	case s.planner != nil:
		return s.planner(ctx, goal)
	case s.changes || s.apply != nil:
		return Plan{Changes: []Change{{Action: ActionStart, Object: "it"}}}, nil
	}
	return s.plan, nil
}

func (s *scripted) Apply(ctx context.Context, report Reporter) error {
	if s.apply == nil {
		return nil
	}
	return s.apply(ctx, report)
}

func (s *scripted) Destroy(ctx context.Context, report Reporter) error { return s.Apply(ctx, report) }

func (s *scripted) Check(ctx context.Context) (Health, error) {
	if s.check == nil {
		return Health{State: StateReady}, nil
	}
	return s.check(ctx)
}

func fails(err error) func(context.Context, Reporter) error {
	return func(context.Context, Reporter) error { return err }
}

func panicGoexit() { runtime.Goexit() }

// scriptedEngine returns an engine over nodes, with a journal of its own.
func scriptedEngine(t *testing.T, sink Sink, nodes ...Node) *Engine {
	t.Helper()
	graph, err := NewGraph(nodes...)
	if err != nil {
		t.Fatal(err)
	}
	journal, err := OpenJournal(filepath.Join(t.TempDir(), "state", "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = journal.Close() })
	return New(Options{Env: "test", Command: "gmctl up", Graph: graph, Journal: journal, Sink: sink})
}

// wantStatuses compares the journal's records after the first, as "stage status".
func wantStatuses(t *testing.T, engine *Engine, want ...string) {
	t.Helper()
	records, err := engine.Journal.Records()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, record := range records[1:] {
		if record.Stage == "" {
			record.Stage = "run"
		}
		got = append(got, record.Stage+" "+string(record.Status))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the journal has %q, want %q", got, want)
	}
}
