package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestUpThenUpAgain(t *testing.T) {
	w, path := newWorld(t, platformShape()...), filepath.Join(t.TempDir(), "journal")
	result, events, err := w.up(t, path, Selection{})
	if err != nil || len(result.Changed) != 8 {
		t.Fatalf("up: %+v, %v", result, err)
	}
	if got, want := events.kinds("kafka"), []EventKind{StageStarted, StageUpdate, StageDone}; !slices.Equal(got, want) {
		t.Errorf("the events of a stage are %v, want %v", got, want)
	}
	w.begin()
	result, events, err = w.up(t, path, Selection{})
	if err != nil || len(result.Unchanged) != 8 || len(w.calls) > 0 {
		t.Fatalf("up when up: %+v, %v, called %v", result, err, w.calls)
	}
	if got, want := events.kinds("kafka"), []EventKind{StageUnchanged}; !slices.Equal(got, want) {
		t.Errorf("the events of a stage are %v, want %v", got, want)
	}
	w.report(t)
}

// Of postgres ← schema ← ingestion and kafka ← topics, with postgres failing.
func TestFailureStopsOnlyWhatNeedsIt(t *testing.T) {
	w, path := newWorld(t, platformShape()...), filepath.Join(t.TempDir(), "journal")
	w.faults = map[string]fault{"postgres": failsHalfDone}
	result, events, err := w.up(t, path, Selection{})
	want := &Result{
		Changed: []string{"supervisor", "kafka", "topics"}, Failed: []string{"postgres"},
		Blocked: []string{"schema", "ingestion", "relay", "smoke"},
	}
	want.Run, want.Elapsed = result.Run, result.Elapsed
	if diff := cmp.Diff(want, result); diff != "" {
		t.Error(diff)
	}
	if p := problem.From(err); p.What != "postgres failed half done" {
		t.Errorf("one failure is returned as it is, not as %+v", p)
	}
	if last := events.last("smoke"); last.Kind != StageBlocked || last.BlockedBy != "postgres" {
		t.Errorf("smoke: %+v", last)
	}
	w.begin()
	if result, _, err = w.up(t, path, Selection{}); err != nil || len(result.Unchanged) != 3 {
		t.Errorf("then: %+v, %v", result, err)
	}
	w.report(t)
}

func TestSeveralFailuresAreCounted(t *testing.T) {
	w := newWorld(t, need("a"), need("b"), need("c", "a"), need("d"))
	w.faults = map[string]fault{"a": failsAtOnce, "b": failsToPlan}
	_, events, err := w.up(t, filepath.Join(t.TempDir(), "journal"), Selection{})
	p := problem.From(err)
	if p.What != "2 stages failed: a, b" || p.Cause.Error() != "a failed at once; stage b could not be planned: cannot look" || !strings.Contains(p.Next, "run: gmctl apply") {
		t.Errorf("%+v, cause %v", p, p.Cause)
	}
	if !errors.Is(err, events.last("a").Problem) {
		t.Error("the stages' problems are not in the error")
	}
}

func TestFailuresOfOneKindKeepIt(t *testing.T) {
	missing := &problem.Error{What: "terraform is not installed", Kind: problem.Missing}
	nodes := []Node{{Name: "a", Stage: &scripted{apply: fails(missing)}}, {Name: "b", Stage: &scripted{apply: fails(missing)}}}
	_, err := scriptedEngine(t, nil, nodes...).Up(t.Context(), Selection{})
	if p := problem.From(err); p.Kind != problem.Missing {
		t.Errorf("%+v", p)
	}
}

func TestPanicFailsItsStageAlone(t *testing.T) {
	w, path := newWorld(t, need("a"), need("b")), filepath.Join(t.TempDir(), "journal")
	w.faults = map[string]fault{"a": panics}
	result, _, err := w.up(t, path, Selection{})
	if p := problem.From(err); p.What != "stage a crashed: this is a fault of gmctl" || p.Cause.Error() != "panic: a panicked" {
		t.Errorf("%+v, cause %v", p, p.Cause)
	}
	if !slices.Equal(result.Changed, []string{"b"}) {
		t.Errorf("%+v", result)
	}
	records, err := w.journal(t, path).Records()
	if err != nil || !slices.ContainsFunc(records, func(r Record) bool {
		return r.Stage == "a" && r.Status == StatusFailed && strings.Contains(r.Error, "world_test.go:")
	}) {
		t.Errorf("the journal does not say where it panicked: %v, %+v", err, records)
	}
}

func TestGoexitFailsItsStage(t *testing.T) {
	stage := &scripted{apply: func(context.Context, Reporter) error { panicGoexit(); return nil }}
	_, err := scriptedEngine(t, nil, Node{Name: "a", Stage: stage}).Up(t.Context(), Selection{})
	if p := problem.From(err); p == nil || p.Cause.Error() != "panic: the stage ended its goroutine" {
		t.Errorf("%v", err)
	}
}

// What is as it should be is planned all at once; what comes after a change is
// planned when that is done.
func TestPlansAreMadeAhead(t *testing.T) {
	for name, test := range map[string]struct {
		second Plan
		took   time.Duration
		plans  int // of the third
	}{
		"nothing changes":    {Plan{}, time.Second, 1},
		"the second changes": {Plan{Deferred: "something"}, 3 * time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var plans atomic.Int32
				planned := func(plan Plan, count *atomic.Int32) *scripted {
					return &scripted{
						planner: func(ctx context.Context, _ Goal) (Plan, error) {
							count.Add(1)
							time.Sleep(time.Second)
							return plan, ctx.Err()
						},
						apply: func(context.Context, Reporter) error { time.Sleep(time.Second); return nil },
					}
				}
				engine := scriptedEngine(t, nil,
					Node{Name: "first", Stage: planned(Plan{}, new(atomic.Int32))},
					Node{Name: "second", Needs: []string{"first"}, Stage: planned(test.second, new(atomic.Int32))},
					Node{Name: "third", Needs: []string{"second"}, Stage: planned(Plan{}, &plans)})
				result, err := engine.Up(t.Context(), Selection{})
				if err != nil || result.Elapsed != test.took || int(plans.Load()) != test.plans {
					t.Errorf("%+v, %v; the third was planned %d times", result, err, plans.Load())
				}
			})
		})
	}
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		waits := &scripted{changes: true, apply: func(ctx context.Context, report Reporter) error {
			<-ctx.Done()
			time.Sleep(time.Second) // to let go of what it holds
			report.Report(Update{Kind: UpdateProgress, Message: "released"})
			return errors.New("signal: killed")
		}}
		finishes := &scripted{
			planner: func(context.Context, Goal) (Plan, error) {
				time.Sleep(time.Second / 2)
				return Plan{Deferred: "something"}, nil
			},
			apply: func(context.Context, Reporter) error { time.Sleep(5 * time.Second / 2); return nil },
		}
		events := &tape{}
		engine := scriptedEngine(t, events.sink,
			Node{Name: "waits", Stage: waits}, Node{Name: "finishes", Stage: finishes},
			Node{Name: "later", Needs: []string{"finishes"}, Stage: &scripted{changes: true}})
		time.AfterFunc(time.Second, cancel)
		result, err := engine.Up(ctx, Selection{})
		p := problem.From(err)
		if p.Kind != problem.Cancelled || p.What != "interrupted" || p.Cause != nil || p.Next != "run: gmctl up (it goes on where it stopped)" {
			t.Errorf("%+v", p)
		}
		if !slices.Equal(result.Cancelled, []string{"waits"}) || !slices.Equal(result.Changed, []string{"finishes"}) || result.Elapsed != 3*time.Second {
			t.Errorf("%+v", result)
		}
		if kinds := events.kinds("waits"); !slices.Equal(kinds, []EventKind{StageStarted, StageUpdate, StageCancelled}) {
			t.Errorf("the interrupted stage: %v", kinds)
		}
		if kinds := events.kinds("later"); kinds != nil {
			t.Errorf("a stage that was not come to: %v", kinds)
		}
		wantStatuses(t, engine, "waits started", "finishes started", "waits cancelled", "finishes done", "run cancelled")
	})
}

func TestInterruptedWithACause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("terminated signal received"))
	_, err := scriptedEngine(t, nil, Node{Name: "a", Stage: &scripted{changes: true}}).Up(ctx, Selection{})
	if p := problem.From(err); p.Kind != problem.Cancelled || p.Error() != "interrupted: terminated signal received" {
		t.Errorf("%+v", p)
	}
}

func TestTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		slow := &scripted{changes: true, apply: func(ctx context.Context, _ Reporter) error { <-ctx.Done(); return ctx.Err() }}
		engine := scriptedEngine(t, nil, Node{Name: "slow", Stage: slow}, Node{Name: "later", Needs: []string{"slow"}, Stage: idle{}})
		result, err := engine.Up(ctx, Selection{})
		p := problem.From(err)
		if p.Kind != problem.Failed || p.What != "stage slow did not finish in time" || !strings.HasPrefix(p.Next, "allow more time with --timeout; run: gmctl up") {
			t.Errorf("%+v", p)
		}
		if !slices.Equal(result.Blocked, []string{"later"}) {
			t.Errorf("%+v", result)
		}
		wantStatuses(t, engine, "slow started", "slow failed", "run failed")
	})
}

func TestATimeoutIsFoundInItsError(t *testing.T) {
	over := errors.New("5m are over")
	for name, c := range map[string]struct {
		stage error
		says  string
	}{
		"a stage that says so":       {fmt.Errorf("dial: %w", context.DeadlineExceeded), "dial: context deadline exceeded"},
		"a stage that says the same": {over, "5m are over"},
		"a stage that says another":  {errors.New("signal: killed"), "5m are over (signal: killed)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, over)
				defer cancel()
				slow := &scripted{apply: func(ctx context.Context, _ Reporter) error { <-ctx.Done(); return c.stage }}
				_, err := scriptedEngine(t, nil, Node{Name: "slow", Stage: slow}).Up(ctx, Selection{})
				if p := problem.From(err); p == nil || p.Cause == nil || p.Cause.Error() != c.says {
					t.Errorf("%+v", p)
				}
				if !errors.Is(err, over) && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a caller cannot tell that time was up: %v", err)
				}
			})
		})
	}
}

func TestDoneBeforeTheInterruptIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stage := &scripted{changes: true, apply: func(context.Context, Reporter) error { cancel(); return nil }}
	if _, err := scriptedEngine(t, nil, Node{Name: "a", Stage: stage}).Up(ctx, Selection{}); err != nil {
		t.Error(err)
	}
}

func TestWhatIsSaidAfterTheEndIsDropped(t *testing.T) {
	var late Reporter
	events := &tape{}
	a := &scripted{changes: true, apply: func(_ context.Context, report Reporter) error { late = report; return nil }}
	b := &scripted{changes: true, apply: func(context.Context, Reporter) error { late.Report(Update{Message: "too late"}); return nil }}
	if _, err := scriptedEngine(t, events.sink, Node{Name: "a", Stage: a}, Node{Name: "b", Needs: []string{"a"}, Stage: b}).Up(t.Context(), Selection{}); err != nil {
		t.Fatal(err)
	}
	if kinds := events.kinds("a"); !slices.Equal(kinds, []EventKind{StageStarted, StageDone}) {
		t.Errorf("%v", kinds)
	}
}

func TestIndependentStagesWorkTogetherWithinTheBound(t *testing.T) {
	for _, parallelism := range []int{1, 3, 10} {
		synctest.Test(t, func(t *testing.T) {
			var nodes []Node
			for name := range strings.SplitSeq("abcdefghi", "") {
				takesOne := func(context.Context, Reporter) error { time.Sleep(time.Second); return nil }
				nodes = append(nodes, Node{Name: name, Stage: &scripted{changes: true, apply: takesOne}})
			}
			engine := scriptedEngine(t, nil, nodes...)
			engine.Parallelism = parallelism
			result, err := engine.Up(t.Context(), Selection{})
			rounds := (len(nodes) + parallelism - 1) / parallelism
			if err != nil || result.Elapsed != time.Duration(rounds)*time.Second {
				t.Errorf("%d at once: %s, %v", parallelism, result.Elapsed, err)
			}
		})
	}
}

func TestLeftOutNeeds(t *testing.T) {
	w, path := newWorld(t, platformShape()...), filepath.Join(t.TempDir(), "journal")
	result, events, err := w.up(t, path, Selection{Only: []string{"supervisor", "relay", "kafka"}})
	p := problem.From(err)
	if p.What != "stage relay needs schema, topics, which are left out and not in place" || p.Kind != problem.Usage ||
		p.Next != "include schema, topics, or leave relay out too" {
		t.Errorf("%+v", p)
	}
	if !slices.Equal(result.Changed, []string{"supervisor", "kafka"}) || !slices.Equal(result.Failed, []string{"relay"}) || len(result.Excluded) != 5 {
		t.Errorf("%+v", result)
	}
	if last := events.last("schema"); last.Kind != StageExcluded {
		t.Errorf("%+v", last)
	}
	w.begin()
	if _, _, err = w.up(t, path, Selection{Skip: []string{"smoke"}}); err != nil {
		t.Fatal(err)
	}
	w.begin()
	if _, _, err = w.up(t, path, Selection{Only: []string{"smoke"}}); err != nil || !slices.Equal(w.calls, []string{"apply smoke"}) {
		t.Errorf("smoke alone: %v, %v", w.calls, err)
	}
	w.begin()
	result, _, err = w.walk(t, path, VerbDestroy, Selection{Only: []string{"kafka", "smoke"}}, 8)
	if p := problem.From(err); p.What != "stage kafka is needed by topics, which is left out and still there" || !slices.Equal(result.Changed, []string{"smoke"}) {
		t.Errorf("%+v, %+v", p, result)
	}
	w.report(t)
}

// A stage that is left out and was cut off in an Apply is not in place, whatever
// it sees itself.
func TestLeftOutAndHalfDone(t *testing.T) {
	w, path := newWorld(t, need("a"), need("b", "a")), filepath.Join(t.TempDir(), "journal")
	w.things["a"].blind = true
	w.killAt = 4 // the run, the stage, its first step; and in its second it is killed
	_, _, _ = w.up(t, path, Selection{})
	w.begin()
	_, _, err := w.up(t, path, Selection{Only: []string{"b"}})
	if p := problem.From(err); p == nil || p.Error() != "stage b needs a, which is left out and not in place: a: the last apply was killed" {
		t.Errorf("%v", err)
	}
	w.report(t)
}

func TestTeardown(t *testing.T) {
	w, path := newWorld(t, need("a"), need("b", "a"), need("c", "b")), filepath.Join(t.TempDir(), "journal")
	if _, _, err := w.up(t, path, Selection{}); err != nil {
		t.Fatal(err)
	}
	w.begin()
	w.faults = map[string]fault{"b": failsToPlan}
	result, _, err := w.walk(t, path, VerbDestroy, Selection{}, 8)
	if err != nil || !slices.Equal(w.calls, []string{"destroy c", "destroy b", "destroy a"}) {
		t.Errorf("a stage that cannot be looked at is destroyed all the same: %+v, %v, %v", result, w.calls, err)
	}
	w.begin()
	if result, _, err = w.walk(t, path, VerbDestroy, Selection{}, 8); err != nil || len(result.Unchanged) != 3 {
		t.Errorf("teardown when nothing is there: %+v, %v", result, err)
	}
	w.report(t)
}

func TestOnlyKeptIsNothingToDo(t *testing.T) {
	keeps := &scripted{plan: Plan{Changes: []Change{{Action: ActionKeep, Object: "data of postgres"}}}}
	result, err := scriptedEngine(t, nil, Node{Name: "a", Stage: keeps}).Teardown(t.Context(), Selection{})
	if err != nil || !slices.Equal(result.Unchanged, []string{"a"}) {
		t.Errorf("%+v, %v", result, err)
	}
}
