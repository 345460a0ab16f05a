package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/testenv/golden"
)

func TestFlags(t *testing.T) {
	for args, want := range map[string]Options{
		"":                    {Output: render.Table},
		"-o json":             {Output: render.JSON},
		"--watch":             {Output: render.Table, Watch: 2 * time.Second},
		"--watch=500ms":       {Output: render.Table, Watch: 500 * time.Millisecond},
		"--watch 5s -o yaml":  {Output: render.YAML, Watch: 5 * time.Second},
		"-w":                  {Output: render.Table, Watch: 2 * time.Second},
		"--output json 1m -w": {Output: render.JSON, Watch: time.Minute},
	} {
		var got Options
		cmd := newCommand(factory.New(streams()), func(_ context.Context, opts *Options) error { got = *opts; return nil })
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.Execute(); err != nil {
			t.Errorf("%q: %v", args, err)
		}
		got.IO, got.Checker, got.Now = nil, nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q:\n%s", args, diff)
		}
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range []string{"postgres", "5s", "--watch soon", "--watch=1ms", "--watch=-2s"} {
		cmd := newCommand(factory.New(streams()), func(context.Context, *Options) error { return nil })
		cmd.SetArgs(strings.Fields(args))
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if got := exitcode.Of(cmd.Execute()); got != exitcode.Usage {
			t.Errorf("%q: exit code %d, want %d", args, got, exitcode.Usage)
		}
	}
}

func streams() *iostreams.IOStreams { io, _, _, _ := iostreams.Test(); return io }

var now = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// healthy is an environment in which all is well.
var healthy = []engine.StageHealth{
	{Stage: "supervisor", Health: engine.Health{State: engine.StateReady, Since: ago(3 * time.Minute), Summary: "pid 4711"}},
	{Stage: "postgres", Health: engine.Health{
		State: engine.StateReady, Since: ago(3 * time.Minute), Summary: "15.18, pid 4712",
		Endpoints: []engine.Endpoint{{Name: "SQL", URL: "postgres://gamemetrics@127.0.0.1:5432/gamemetrics"}},
		Figures:   []engine.Figure{{Name: "events stored", Value: 1204, Unit: "events"}, {Name: "on disk", Value: 48 << 20, Unit: "bytes", Approx: true}},
	}},
	{Stage: "ingestion", Health: engine.Health{
		State: engine.StateReady, Since: ago(2 * time.Hour),
		Endpoints: []engine.Endpoint{{Name: "API", URL: "http://127.0.0.1:8080"}, {Name: "metrics", URL: "http://127.0.0.1:8080/metrics"}},
	}},
	{Stage: "smoke", Health: engine.Health{State: engine.StateReady, Summary: "passed"}},
}

// sick is the same with two things wrong, one of them in a component.
var sick = append(slices.Clone(healthy[:2]), engine.StageHealth{
	Stage: "kafka",
	Health: engine.Health{
		State: engine.StateDegraded, Since: ago(40 * time.Second),
		Components: []engine.Component{
			{Name: "broker-0", Health: engine.Health{State: engine.StateReady}},
			{Name: "broker-1", Health: engine.Health{
				State:   engine.StateDown,
				Problem: &problem.Error{What: "broker-1 is not running", Cause: errors.New("exit status 1: no space left on device"), Next: "free some space; it restarts by itself"},
			}},
		},
	},
}, engine.StageHealth{
	Stage: "relay",
	Health: engine.Health{
		State: engine.StateUnknown, Figures: []engine.Figure{{Name: "lag", Value: 1, Unit: "events"}},
		Problem: &problem.Error{What: "the relay did not answer within 10s", Next: "see what it is busy with: gmctl logs relay"},
	},
})

var absent = []engine.StageHealth{
	{Stage: "supervisor", Health: engine.Health{State: engine.StateAbsent}},
	{Stage: "postgres", Health: engine.Health{State: engine.StateAbsent}},
}

type checker func() []engine.StageHealth

func (c checker) Check(context.Context) []engine.StageHealth { return c() }

func options(io *iostreams.IOStreams, stages []engine.StageHealth) *Options {
	return &Options{
		IO: io, EnvName: "local", Output: render.Table, Now: func() time.Time { return now },
		Checker: func() (Checker, error) { return checker(func() []engine.StageHealth { return stages }), nil },
	}
}

func TestStatus(t *testing.T) {
	pipe := func() (io *iostreams.IOStreams, in, out, err *bytes.Buffer) { return iostreams.Test() }
	terminal := func(columns int) func() (io *iostreams.IOStreams, in, out, err *bytes.Buffer) {
		return func() (io *iostreams.IOStreams, in, out, err *bytes.Buffer) {
			return iostreams.TestTerminal(columns, 40, false)
		}
	}
	for _, c := range []struct {
		name    string
		streams func() (io *iostreams.IOStreams, in, out, err *bytes.Buffer)
		stages  []engine.StageHealth
		output  render.Format
		exit    int
	}{
		{"healthy", pipe, healthy, render.Table, exitcode.OK},
		{"sick", pipe, sick, render.Table, exitcode.Unhealthy},
		{"absent", pipe, absent, render.Table, exitcode.Unhealthy},
		{"narrow", terminal(80), sick, render.Table, exitcode.Unhealthy},
		{"healthy.json", pipe, healthy, render.JSON, exitcode.OK},
		{"sick.yaml", pipe, sick, render.YAML, exitcode.Unhealthy},
		{"absent.json", pipe, absent, render.JSON, exitcode.Unhealthy},
	} {
		t.Run(c.name, func(t *testing.T) {
			io, _, out, stderr := c.streams()
			opts := options(io, c.stages)
			opts.Output = c.output
			err := run(t.Context(), opts)
			render.Problem(io, err)
			golden.Check(t, c.name+".golden", "stdout:\n"+out.String()+"stderr:\n"+stderr.String())
			if got := exitcode.Of(err); got != c.exit {
				t.Errorf("exit code %d, want %d", got, c.exit)
			}
			for line := range strings.SplitSeq(out.String(), "\n") {
				if io.OutTTY && render.Width(line) > io.Width() {
					t.Errorf("%q is wider than the terminal", line)
				}
			}
		})
	}
}

func TestOverall(t *testing.T) {
	for states, want := range map[string]engine.State{
		"ready ready":      engine.StateReady,
		"ready starting":   engine.StateStarting,
		"absent absent":    engine.StateAbsent,
		"ready absent":     engine.StateDegraded,
		"ready down":       engine.StateDegraded,
		"degraded unknown": engine.StateDegraded,
		"down down":        engine.StateDown,
		"down absent":      engine.StateDown,
		"unknown unknown":  engine.StateUnknown,
	} {
		var stages []engine.StageHealth
		for state := range strings.FieldsSeq(states) {
			stages = append(stages, engine.StageHealth{Health: engine.Health{State: engine.State(state)}})
		}
		if got := overall(stages); got != want {
			t.Errorf("%s: %s, want %s", states, got, want)
		}
	}
}

// A watch shows each look, and ends without an error when it is interrupted.
func TestWatch(t *testing.T) {
	for _, c := range []struct {
		name   string
		output render.Format
		check  func(t *testing.T, out string)
	}{
		{"table", render.Table, func(t *testing.T, out string) {
			if n := strings.Count(out, "local  ● ready  09:26:53\n\nSTAGE"); n != 3 {
				t.Errorf("%d tables, want 3:\n%s", n, out)
			}
		}},
		{"json", render.JSON, func(t *testing.T, out string) {
			lines := strings.Split(strings.TrimSpace(out), "\n")
			for _, line := range lines {
				var document struct{ Data Document }
				if err := json.Unmarshal([]byte(line), &document); err != nil || document.Data.State != engine.StateReady {
					t.Errorf("%v: %s", err, line)
				}
			}
			if len(lines) != 3 {
				t.Errorf("%d lines, want 3", len(lines))
			}
		}},
		{"yaml", render.YAML, func(t *testing.T, out string) {
			if n := strings.Count(out, "---\napiVersion: gmctl/v1\nkind: Status\n"); n != 3 {
				t.Errorf("%d documents, want 3:\n%s", n, out)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			io, _, out, _ := iostreams.Test()
			opts := watched(io)
			opts.Output = c.output
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			opts.Checker = lookingTimes(3, cancel)
			if err := run(ctx, opts); err != nil {
				t.Errorf("it ended with %v", err)
			}
			c.check(t, out.String())
		})
	}
}

// On a terminal a look replaces the one before, and the cursor is back at the end.
func TestWatchRedrawsInPlace(t *testing.T) {
	t.Setenv("TERM", "xterm")
	streams, _, out, _ := iostreams.TestTerminal(100, 40, false)
	opts := watched(streams)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opts.Checker = lookingTimes(3, cancel)
	opts.Now = clock()
	if err := run(ctx, opts); err != nil {
		t.Error(err)
	}
	frames := strings.Split(out.String(), "\x1b[?25l")[1:]
	if len(frames) != 3 {
		t.Fatalf("%d frames, want 3", len(frames))
	}
	for i, frame := range frames {
		up := strings.HasPrefix(frame, "\r\x1b[")
		if up != (i > 0) || !strings.Contains(frame, "\x1b[?25h") {
			t.Errorf("frame %d: %q", i, frame)
		}
	}
}

func watched(streams *iostreams.IOStreams) *Options {
	opts := options(streams, healthy)
	opts.Watch = time.Millisecond
	return opts
}

// lookingTimes finds all healthy n times, and is then interrupted.
func lookingTimes(n int, interrupt func()) func() (Checker, error) {
	return func() (Checker, error) {
		return checker(func() []engine.StageHealth {
			if n--; n < 0 {
				interrupt()
			}
			return healthy
		}), nil
	}
}

// clock goes on by a second whenever it is asked.
func clock() func() time.Time {
	at := now
	return func() time.Time { at = at.Add(time.Second); return at }
}

func TestStatusOfNoEnvironment(t *testing.T) {
	opts := options(streams(), nil)
	opts.Checker = func() (Checker, error) { return nil, io.ErrUnexpectedEOF }
	if err := run(t.Context(), opts); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}
