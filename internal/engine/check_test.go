package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestCheck(t *testing.T) {
	remedy := &problem.Error{What: "the certificate is not readable", Next: "chmod it"}
	synctest.Test(t, func(t *testing.T) {
		stubborn := make(chan struct{})
		health := func(state State, err error) *scripted {
			return &scripted{check: func(context.Context) (Health, error) { return Health{State: state}, err }}
		}
		engine := scriptedEngine(t, nil,
			Node{Name: "ready", Stage: health(StateReady, nil)},
			Node{Name: "errs", Stage: health(StateReady, errors.New("connection refused"))},
			Node{Name: "explains", Stage: health("", remedy)},
			Node{Name: "panics", Stage: &scripted{check: func(context.Context) (Health, error) { panic("nil map") }}},
			Node{Name: "slow", Stage: &scripted{check: func(ctx context.Context) (Health, error) { <-ctx.Done(); return Health{}, ctx.Err() }}},
			Node{Name: "deaf", Stage: &scripted{check: func(context.Context) (Health, error) { <-stubborn; return Health{}, nil }}},
			Node{Name: "last words", Stage: &scripted{check: func(ctx context.Context) (Health, error) {
				<-ctx.Done()
				return Health{State: StateDown}, nil
			}}},
		)
		began := time.Now()
		got := engine.Check(t.Context())
		if took := time.Since(began); took != 10*time.Second+checkGrace {
			t.Errorf("one deaf stage held status up for %s", took)
		}
		close(stubborn)
		for i, want := range []struct {
			stage string
			state State
			says  string
		}{
			{"ready", StateReady, ""},
			{"errs", StateUnknown, "stage errs did not tell its health: connection refused"},
			{"explains", StateUnknown, "the certificate is not readable"},
			{"panics", StateUnknown, "stage panics crashed: this is a fault of gmctl: panic: nil map"},
			{"slow", StateUnknown, "stage slow did not tell its health within 10s"},
			{"deaf", StateUnknown, "stage deaf did not tell its health within 10s"},
			{"last words", StateDown, ""},
		} {
			says := ""
			if p := got[i].Health.Problem; p != nil {
				says = p.Error()
			}
			if got[i].Stage != want.stage || got[i].Health.State != want.state || says != want.says {
				t.Errorf("got %s %s %q, want %+v", got[i].Stage, got[i].Health.State, says, want)
			}
		}
	})
}

func TestCheckInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	waits := &scripted{check: func(ctx context.Context) (Health, error) { <-ctx.Done(); return Health{}, ctx.Err() }}
	got := scriptedEngine(t, nil, Node{Name: "a", Stage: waits}).Check(ctx)
	if got[0].Health.State != StateUnknown || got[0].Health.Problem.Error() != "stage a did not tell its health: context canceled" {
		t.Errorf("%+v", got[0].Health.Problem)
	}
}

func TestPlan(t *testing.T) {
	changes := Plan{Changes: []Change{{Action: ActionCreate, Object: "topic"}}, Fingerprint: "f2"}
	engine := scriptedEngine(t, nil,
		Node{Name: "changes", Stage: &scripted{plan: changes}},
		Node{Name: "deferred", Needs: []string{"changes"}, Stage: &scripted{plan: Plan{Deferred: "after changes"}}},
		Node{Name: "nothing", Stage: idle{}},
		Node{Name: "half", Stage: &scripted{}},
		Node{Name: "other inputs", Stage: &scripted{plan: Plan{Fingerprint: "f2"}}},
		Node{Name: "errs", Stage: &scripted{planner: func(context.Context, Goal) (Plan, error) { return Plan{}, errors.New("no route") }}},
	)
	for _, record := range []Record{
		{Run: "1", Stage: "half", Verb: VerbApply, Status: StatusDone},
		{Run: "1", Stage: "other inputs", Verb: VerbApply, Status: StatusDone, Fingerprint: "f1"},
		{Run: "1", Stage: "half", Verb: VerbApply, Status: StatusStarted},
	} {
		if err := engine.Journal.Append(record); err != nil {
			t.Fatal(err)
		}
	}
	plans, err := engine.Plan(t.Context(), GoalPresent, Selection{})
	if p := problem.From(err); p == nil || p.Error() != "stage errs could not be planned: no route" {
		t.Errorf("%v", err)
	}
	var got []string
	for _, plan := range plans {
		got = append(got, plan.Stage+": "+plan.Resume)
	}
	want := []string{"changes: ", "deferred: ", "nothing: ", "half: the last apply was killed", "other inputs: what it is made from has changed", "errs: "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	plans, err = engine.Plan(t.Context(), GoalAbsent, Selection{Only: []string{"nothing", "deferred", "changes"}})
	if err != nil || len(plans) != 3 || plans[0].Stage != "nothing" || plans[2].Stage != "changes" {
		t.Errorf("backward: %+v, %v", plans, err)
	}
}

// What goes with several stages is named where it goes first.
func TestPlanNamesWhatGoesOnce(t *testing.T) {
	kafka := Change{Action: ActionDelete, Object: "Kafka gamemetrics", Holds: "its data"}
	removes := func(changes ...Change) *scripted {
		return &scripted{plan: Plan{Changes: changes}}
	}
	kind := Change{Action: ActionDelete, Object: "kind Kafka"}
	engine := scriptedEngine(t, nil,
		Node{Name: "operators", Stage: removes(kafka, kind)},
		Node{Name: "kafka", Stage: removes(kafka), Needs: []string{"operators"}},
	)
	for range 2 { // the stages' own plans stay as they are
		plans, err := engine.Plan(t.Context(), GoalAbsent, Selection{})
		if err != nil || !slices.Equal(plans[0].Plan.Changes, []Change{kafka}) || !slices.Equal(plans[1].Plan.Changes, []Change{kind}) {
			t.Errorf("%+v, %v", plans, err)
		}
	}
}

func TestPlanChangesNothing(t *testing.T) {
	engine := scriptedEngine(t, nil, Node{Name: "a", Stage: idle{}})
	if _, err := engine.Plan(t.Context(), GoalPresent, Selection{}); err != nil {
		t.Fatal(err)
	}
	if log, err := engine.Journal.Read(); err != nil || engine.Journal.file != nil || len(log.Records) > 0 {
		t.Errorf("a plan has written: %+v, %v", log, err)
	}
}

func TestPlanInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := scriptedEngine(t, nil, Node{Name: "a", Stage: idle{}}).Plan(ctx, GoalPresent, Selection{})
	if p := problem.From(err); p == nil || p.Kind != problem.Cancelled {
		t.Errorf("%v", err)
	}
}
