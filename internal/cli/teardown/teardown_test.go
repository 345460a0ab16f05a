package teardown

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/testenv/toy"
)

func TestFlags(t *testing.T) {
	io, _, _, _ := iostreams.Test()
	var got *Options
	cmd := newCommand(factory.New(io), func(_ context.Context, opts *Options) error { got = opts; return nil })
	cmd.SetArgs(strings.Fields("-y --keep-data -o json"))
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	got.IO, got.Open = nil, nil
	want := &Options{Command: "teardown --keep-data --output=json --yes", Output: render.JSON, Yes: true, KeepData: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// world is two stages that are there, and a user at a terminal.
type world struct {
	postgres, relay *toy.Stage
	env             *toy.Environment
	opts            *Options
	in              interface{ WriteString(string) (int, error) }
	out, err        interface{ String() string }
}

func newWorld(t *testing.T) *world {
	w := &world{
		postgres: &toy.Stage{Name: "postgres", There: true, Holds: "1,204 events"},
		relay:    &toy.Stage{Name: "relay", There: true, Needs: []string{"postgres"}},
	}
	env := toy.New(t, w.postgres, w.relay)
	w.env = env
	io, in, out, stderr := iostreams.Test()
	w.in, w.out, w.err = in, out, stderr
	w.opts = &Options{
		IO: io, EnvName: toy.Env, Command: "gmctl teardown", Output: render.Table,
		Open: func(options environment.Options) (Environment, error) {
			w.postgres.Keeps = options.KeepData
			return env, nil
		},
	}
	return w
}

var times = regexp.MustCompile(`[0-9.]+(ms|µs|s)\b`)

// run runs the command and returns its exit code and what it said on stderr.
func (w *world) run(t *testing.T) (exit int, status string) {
	t.Helper()
	err := run(t.Context(), w.opts)
	render.Problem(w.opts.IO, err)
	return exitcode.Of(err), times.ReplaceAllString(w.err.String(), "T")
}

const plan = `STAGE     ACTION    OBJECT            HOLDS
relay     - stop    process relay
postgres  - stop    process postgres
          - delete  postgres data     1,204 events

This data is deleted for good: 1,204 events (postgres)
To keep the data, run: gmctl teardown --keep-data
`

func TestTeardown(t *testing.T) {
	w := newWorld(t)
	w.opts.Yes = true
	exit, status := w.run(t)
	want := plan + `[   T] relay     removed (T)
[   T] postgres  removed (T)
✓ local is removed: 2 removed (T)
✓ looked again: nothing is left
  gone process relay
  gone process postgres
  gone postgres data
`
	if diff := cmp.Diff(want, status); diff != "" || exit != exitcode.OK {
		t.Errorf("exit code %d, stderr (-want +got):\n%s", exit, diff)
	}
	if w.env.Cleared != 1 {
		t.Errorf("the environment was cleared %d times", w.env.Cleared)
	}
}

func TestTeardownKeepsData(t *testing.T) {
	w := newWorld(t)
	w.opts.Yes, w.opts.KeepData = true, true
	exit, status := w.run(t)
	for _, want := range []string{"This stays: postgres data (1,204 events)\n", "  kept postgres data (1,204 events)\n"} {
		if !strings.Contains(status, want) {
			t.Errorf("it does not say %q:\n%s", want, status)
		}
	}
	if strings.Contains(status, "deleted") || strings.Contains(status, "gone postgres data") || exit != exitcode.OK {
		t.Errorf("exit code %d, stderr:\n%s", exit, status)
	}
}

func TestTeardownOfNothing(t *testing.T) {
	w := newWorld(t)
	w.postgres.There, w.relay.There = false, false
	exit, status := w.run(t)
	if exit != exitcode.OK || status != "✓ local is not there: nothing to remove\n" {
		t.Errorf("exit code %d, stderr:\n%s", exit, status)
	}
}

func TestTeardownAsks(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		terminal     bool
		exit         int
	}{
		{"the environment's name", "local\n", true, exitcode.OK},
		{"another word", "y\n", true, exitcode.Declined},
		{"nobody there", "", false, exitcode.Declined},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			io, in, _, stderr := iostreams.TestTerminal(100, 30, false)
			io.InTTY = c.terminal
			in.WriteString(c.answer)
			w.opts.IO, w.err = io, stderr
			exit, status := w.run(t)
			if exit != c.exit || w.postgres.There != (c.exit != exitcode.OK) {
				t.Errorf("exit code %d, there %v:\n%s", exit, w.postgres.There, status)
			}
			if !strings.HasPrefix(status, plan) {
				t.Errorf("it did not show first what goes:\n%s", status)
			}
		})
	}
}

// What is still there afterwards is named, whatever the stage claims.
func TestTeardownProvesRemoval(t *testing.T) {
	w := newWorld(t)
	w.opts.Yes, w.postgres.Undead = true, true
	exit, status := w.run(t)
	if exit != exitcode.Failed {
		t.Errorf("exit code %d", exit)
	}
	if strings.Contains(status, "nothing is left") || !strings.Contains(status, "process postgres") {
		t.Errorf("stderr:\n%s", status)
	}
}

// A stage that can no longer be looked at is removed all the same, but nothing
// is called proved that was not seen.
func TestTeardownOfABrokenStage(t *testing.T) {
	w := newWorld(t)
	w.opts.Yes, w.relay.Broken = true, errors.New("its state file is damaged")
	exit, status := w.run(t)
	if exit != exitcode.Failed || w.relay.There || w.postgres.There {
		t.Errorf("exit code %d, there: %v %v", exit, w.relay.There, w.postgres.There)
	}
	if strings.Contains(status, "nothing is left") || !strings.Contains(status, "relay was removed, but could not be looked at to prove it") {
		t.Errorf("stderr:\n%s", status)
	}
}

func TestTeardownFails(t *testing.T) {
	w := newWorld(t)
	w.opts.Yes, w.opts.Output = true, render.JSON
	w.relay.Fails = &problem.Error{What: "the relay does not stop", Cause: errors.New("pid 4711 ignores SIGKILL"), Next: "restart the machine"}
	exit, status := w.run(t)
	if n := strings.Count(status, "✗ the relay does not stop"); exit != exitcode.Failed || n != 1 {
		t.Errorf("exit code %d, the problem stands %d times:\n%s", exit, n, status)
	}
	var document struct {
		Kind string
		Data Document
	}
	if err := json.Unmarshal([]byte(w.out.String()), &document); err != nil {
		t.Fatal(err)
	}
	got := document.Data
	if got.Removed || got.Run == "" || len(got.Gone) > 0 || got.Problem == nil || got.Problem.Next != "restart the machine" {
		t.Errorf("the document says %+v", got)
	}
}

func TestTeardownAsADocument(t *testing.T) {
	w := newWorld(t)
	w.opts.Yes, w.opts.Output = true, render.JSON
	exit, _ := w.run(t)
	var document struct {
		Kind string
		Data Document
	}
	if err := json.Unmarshal([]byte(w.out.String()), &document); err != nil || exit != exitcode.OK {
		t.Fatal(exit, err)
	}
	got := document.Data
	got.Run, got.ElapsedSeconds = "", 0
	want := Document{Environment: "local", Removed: true, Gone: []string{"process relay", "process postgres", "postgres data"}, Kept: []string{}, Left: []string{}}
	if diff := cmp.Diff(want, got); diff != "" || document.Kind != "Teardown" {
		t.Errorf("kind %s\n%s", document.Kind, diff)
	}
}

func TestProtectedLosesNothing(t *testing.T) {
	w := newWorld(t)
	w.opts.Yes = true
	w.env.Protected = &problem.Error{What: "the database is protected from deletion", Next: "gmctl teardown --unprotect"}
	exit, status := w.run(t)
	if exit != exitcode.Failed || !strings.Contains(status, "protected from deletion") || !w.postgres.There || !w.relay.There || w.env.Cleared > 0 {
		t.Errorf("%d: %s; %+v %+v", exit, status, w.postgres, w.relay)
	}
}
