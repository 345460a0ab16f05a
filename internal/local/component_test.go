package local

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// scripted is a component that does in each attempt what the test says.
type scripted struct {
	attempt func(n int, ctx context.Context, say announcer) error // n counts from 1

	mu    sync.Mutex
	began []time.Time
}

func (s *scripted) run(ctx context.Context, say announcer) error {
	s.mu.Lock()
	s.began = append(s.began, time.Now())
	n := len(s.began)
	s.mu.Unlock()
	return s.attempt(n, ctx, say)
}

// serves says that it is ready, and serves until it is to stop.
func serves(ctx context.Context, say announcer) error {
	say.ready(facts{summary: "serving"})
	<-ctx.Done()
	return nil
}

// runScripted runs test in a bubble of time of its own, with a started runner
// that is stopped at its end.
func runScripted(t *testing.T, attempt func(n int, ctx context.Context, say announcer) error, test func(t *testing.T, r *runner, c *scripted)) {
	synctest.Test(t, func(t *testing.T) {
		c := &scripted{attempt: attempt}
		r := newRunner("thing", c, slog.New(slog.DiscardHandler))
		r.start(t.Context())
		test(t, r, c)
		if err := r.stop(t.Context()); err != nil {
			t.Error(err)
		}
		if status := r.snapshot(t.Context(), false); status.State != engine.StateAbsent {
			t.Errorf("stopped, it is %+v", status)
		}
	})
}

// settled is the component's status when nothing goes on any more.
func (r *runner) settled() Status {
	synctest.Wait()
	return r.snapshot(context.Background(), false)
}

func TestAComponentThatFailsIsRunAgain(t *testing.T) {
	const failures = 9
	attempt := func(n int, ctx context.Context, say announcer) error {
		say.doing("trying")
		if n <= failures {
			return errors.New("not yet")
		}
		return serves(ctx, say)
	}
	runScripted(t, attempt, func(t *testing.T, r *runner, c *scripted) {
		first := r.settled()
		if first.State != engine.StateDown || first.Restarts != 1 || first.Problem.Why != "not yet" || !strings.Contains(first.Problem.Next, "gmctl logs thing") {
			t.Errorf("after the first failure it is %+v, %+v", first, first.Problem)
		}
		time.Sleep(time.Minute)
		if last := r.settled(); last.State != engine.StateReady || last.Restarts != failures || last.Problem != nil || last.Message != "" || last.Summary != "serving" {
			t.Errorf("in the end it is %+v, %+v", last, last.Problem)
		}
		var waits []time.Duration
		for i := range failures {
			waits = append(waits, c.began[i+1].Sub(c.began[i]))
		}
		for i, want := range []int64{100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000} {
			if waits[i].Milliseconds() != want {
				t.Errorf("the waits are %v", waits)
				break
			}
		}
	})
}

// While a component that failed is tried again, it stays down: a user who looks
// then is not told that it is just starting.
func TestAFailureIsToldUntilTheComponentServes(t *testing.T) {
	attempt := func(n int, ctx context.Context, say announcer) error {
		say.doing("trying")
		if n == 1 {
			return &problem.Error{What: "the port is taken", Next: "free it"}
		}
		time.Sleep(time.Second)
		return serves(ctx, say)
	}
	runScripted(t, attempt, func(t *testing.T, r *runner, _ *scripted) {
		time.Sleep(firstBackoff + time.Millisecond)
		if s := r.settled(); s.State != engine.StateDown || s.Message != "trying" || s.Problem.What != "the port is taken" || s.Problem.Next != "free it" {
			t.Errorf("tried again, it is %+v, %+v", s, s.Problem)
		}
		time.Sleep(time.Second)
		if s := r.settled(); s.State != engine.StateReady || s.Restarts != 1 {
			t.Errorf("served, it is %+v", s)
		}
	})
}

// One that served for long enough is not punished for failures of long ago.
func TestTheWaitIsShortAgainAfterALongLife(t *testing.T) {
	attempt := func(n int, ctx context.Context, say announcer) error {
		if n == 5 {
			say.ready(facts{})
			time.Sleep(healthyAfter + time.Second)
		}
		if n == 7 {
			return serves(ctx, say)
		}
		return errors.New("broken")
	}
	runScripted(t, attempt, func(t *testing.T, r *runner, c *scripted) {
		time.Sleep(2 * healthyAfter)
		r.settled()
		if died := c.began[4].Add(healthyAfter + time.Second); c.began[5].Sub(died) != firstBackoff {
			t.Errorf("it was run again after %s", c.began[5].Sub(died))
		}
	})
}

func TestEndingByItselfIsAFailure(t *testing.T) {
	attempt := func(n int, ctx context.Context, say announcer) error {
		if n == 1 {
			return nil
		}
		return serves(ctx, say)
	}
	runScripted(t, attempt, func(t *testing.T, r *runner, _ *scripted) {
		if s := r.settled(); s.State != engine.StateDown || s.Problem.Why != "it ended by itself" {
			t.Errorf("it is %+v, %+v", s, s.Problem)
		}
	})
}

func TestAPanicEndsTheAttemptAlone(t *testing.T) {
	attempt := func(n int, ctx context.Context, say announcer) error {
		if n == 1 {
			panic("a bug")
		}
		return serves(ctx, say)
	}
	runScripted(t, attempt, func(t *testing.T, r *runner, _ *scripted) {
		if s := r.settled(); s.State != engine.StateDown || !strings.Contains(s.Problem.Why, "panic: a bug") || !strings.Contains(s.Problem.Why, "component_test.go") {
			t.Errorf("it is %+v, %+v", s, s.Problem)
		}
		time.Sleep(time.Second)
		if s := r.settled(); s.State != engine.StateReady || s.Restarts != 1 {
			t.Errorf("run again, it is %+v", s)
		}
	})
}

func TestStopWaitsForTheEnd(t *testing.T) {
	const takes = 3 * time.Second
	attempt := func(_ int, ctx context.Context, say announcer) error {
		err := serves(ctx, say)
		time.Sleep(takes)
		return err
	}
	runScripted(t, attempt, func(t *testing.T, r *runner, c *scripted) {
		r.settled()
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := r.stop(impatient); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "thing is still stopping") {
			t.Errorf("the impatient stop ended with %v", err)
		}
		if err := r.stop(t.Context()); err != nil || time.Since(began) != takes {
			t.Errorf("the stop ended after %s with %v", time.Since(began), err)
		}
		if err := r.stop(t.Context()); err != nil {
			t.Errorf("stopping what is stopped: %v", err)
		}
		r.start(t.Context())
		r.start(t.Context())
		if s := r.settled(); s.State != engine.StateReady || s.Restarts != 0 || len(c.began) != 2 {
			t.Errorf("started again, it is %+v after %d attempts", s, len(c.began))
		}
	})
}

// A component that waits to be run again is stopped at once.
func TestStopEndsTheWait(t *testing.T) {
	attempt := func(int, context.Context, announcer) error { return errors.New("broken") }
	runScripted(t, attempt, func(t *testing.T, r *runner, _ *scripted) {
		time.Sleep(10 * time.Second)
		r.settled()
		began := time.Now()
		if err := r.stop(t.Context()); err != nil || time.Since(began) > 0 {
			t.Errorf("the stop ended after %s with %v", time.Since(began), err)
		}
	})
}

func TestWarningsComeAndGo(t *testing.T) {
	slow := &problem.Error{What: "it is slow", Next: "wait"}
	gone := &problem.Error{What: "it is gone", Next: "look"}
	attempt := func(_ int, ctx context.Context, say announcer) error {
		say.ready(facts{summary: "serving"})
		for _, p := range []*problem.Error{slow, gone, nil, nil} {
			time.Sleep(time.Minute)
			say.warn(p)
		}
		<-ctx.Done()
		return nil
	}
	runScripted(t, attempt, func(t *testing.T, r *runner, _ *scripted) {
		began := time.Now()
		for _, want := range []struct {
			state engine.State
			since time.Duration // since the component began
			what  string
		}{
			{engine.StateReady, 0, ""},
			{engine.StateDegraded, time.Minute, "it is slow"},
			{engine.StateDegraded, time.Minute, "it is gone"},
			{engine.StateReady, 3 * time.Minute, ""},
			{engine.StateReady, 3 * time.Minute, ""},
		} {
			s, what := r.settled(), ""
			if s.Problem != nil {
				what = s.Problem.What
			}
			if s.State != want.state || s.Since.Sub(began) != want.since || what != want.what || s.Summary != "serving" {
				t.Errorf("after %s it is %+v, %q", time.Since(began), s, what)
			}
			time.Sleep(time.Minute)
		}
	})
}

// counting is a component with key figures.
type counting struct{ scripted }

func (*counting) figures(context.Context) []engine.Figure {
	return []engine.Figure{{Name: "stored", Value: 3}}
}

func TestFiguresAreThoseOfWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counting{scripted{attempt: func(_ int, ctx context.Context, say announcer) error { return serves(ctx, say) }}}
		r := newRunner("thing", c, slog.New(slog.DiscardHandler))
		if s := r.snapshot(t.Context(), true); s.Figures != nil {
			t.Errorf("not started, it is %+v", s)
		}
		r.start(t.Context())
		r.settled()
		if s := r.snapshot(t.Context(), true); len(s.Figures) != 1 || s.Figures[0].Value != 3 {
			t.Errorf("started, it is %+v", s)
		}
		if s := r.snapshot(t.Context(), false); s.Figures != nil {
			t.Errorf("not asked for figures, it says %+v", s)
		}
		if err := r.stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// anchored runs at an address of something that can move.
type anchored struct {
	reliance
	scripted
}

// From the moment that something has moved, nothing that ran at its old place
// counts as ready: not only from when the component has noticed.
func TestWhatReliesOnSomethingMovedIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var address atomic.Pointer[string]
		move := func(to string) { address.Store(&to) }
		move("here")
		c := &anchored{}
		c.attempt = func(_ int, ctx context.Context, say announcer) error {
			held, cancel := c.hold(ctx, anchor{"the thing", *address.Load(), func() (string, bool) { return *address.Load(), *address.Load() != "" }})
			defer cancel()
			return ended(held, serves(held, say))
		}
		r := newRunner("thing", c, slog.New(slog.DiscardHandler))
		r.start(t.Context())
		if s := r.settled(); s.State != engine.StateReady {
			t.Errorf("it is %+v", s)
		}
		move("") // down, to come back
		if s := r.settled(); s.State != engine.StateReady {
			t.Errorf("while the thing is down it is %+v", s)
		}
		move("there")
		if s := r.snapshot(t.Context(), false); s.State != engine.StateStarting || s.Message == "" {
			t.Errorf("after the move it is %+v", s)
		}
		time.Sleep(time.Second)
		if s := r.settled(); s.State != engine.StateReady || s.Restarts != 1 {
			t.Errorf("in the end it is %+v", s)
		}
		if err := r.stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What a machine lacks has an exit code of its own, also when the supervisor was
// the one to miss it.
func TestAProblemKeepsItsKindOverTheWire(t *testing.T) {
	want := &problem.Error{What: "there is none", Cause: errors.New("not found"), Next: "install it", Kind: problem.Missing}
	encoded, err := json.Marshal(textOf(want))
	if err != nil {
		t.Fatal(err)
	}
	var text ProblemText
	if err := json.Unmarshal(encoded, &text); err != nil {
		t.Fatal(err)
	}
	if got := text.Error(); got.Error() != want.Error() || got.Next != want.Next || got.Kind != want.Kind {
		t.Errorf("%+v became %+v", want, got)
	}
}

// expectState waits for what was said last to be seen; what is the problem's, "" for none.
func expectState(t *testing.T, r *runner, state engine.State, what string) {
	t.Helper()
	time.Sleep(time.Second)
	status := r.settled()
	if p := status.Problem.Error(); status.State != state || (p == nil) != (what == "") || p != nil && p.What != what {
		t.Errorf("it is %s, %v; want %s, %q", status.State, p, state, what)
	}
}
