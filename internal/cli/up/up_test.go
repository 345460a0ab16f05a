package up

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/testenv/toy"
)

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		args string
		want Options
	}{
		{"", Options{Output: render.Table}},
		{"--only kafka,topics --skip smoke", Options{Output: render.Table, Selection: engine.Selection{Only: []string{"kafka", "topics"}, Skip: []string{"smoke"}}}},
		{"-y --timeout 90s --foreground -o json", Options{Output: render.JSON, Yes: true, Timeout: 90 * time.Second, Foreground: true}},
	} {
		io, _, _, _ := iostreams.Test()
		var got *Options
		cmd := newCommand(factory.New(io), func(_ context.Context, opts *Options) error { got = opts; return nil })
		cmd.SetArgs(strings.Fields(c.args))
		if err := cmd.Execute(); err != nil {
			t.Fatalf("%q: %v", c.args, err)
		}
		if got.Command != strings.TrimSpace("up "+canonical(c.args)) {
			t.Errorf("%q is recorded as %q", c.args, got.Command)
		}
		got.IO, got.Open, got.Command = nil, nil, ""
		if diff := cmp.Diff(c.want, *got); diff != "" {
			t.Errorf("%q:\n%s", c.args, diff)
		}
	}
}

// canonical is how a journal records the arguments of TestFlags.
func canonical(args string) string {
	return map[string]string{
		"--only kafka,topics --skip smoke":      "--only=kafka,topics --skip=smoke",
		"-y --timeout 90s --foreground -o json": "--foreground --output=json --timeout=1m30s --yes",
	}[args]
}

func TestWrongUse(t *testing.T) {
	for args, want := range map[string]string{
		"postgres":       "unknown command",
		"--timeout=-1s":  "the timeout is negative",
		"--timeout=fast": "invalid argument",
		"-o xml":         "choose table, json or yaml",
	} {
		io, _, _, _ := iostreams.Test()
		cmd := newCommand(factory.New(io), func(context.Context, *Options) error { return nil })
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error about %q", args, err, want)
		}
	}
}

// world is three stages, and a terminal-less user.
type world struct {
	env                    *toy.Environment
	postgres, kafka, relay *toy.Stage
	opts                   *Options
	out, err               interface{ String() string }
}

func newWorld(t *testing.T) *world {
	w := &world{
		postgres: &toy.Stage{Name: "postgres", Holds: "1,204 events"},
		kafka:    &toy.Stage{Name: "kafka"},
		relay:    &toy.Stage{Name: "relay", Needs: []string{"postgres", "kafka"}},
	}
	w.postgres.Health = engine.Health{State: engine.StateReady, Endpoints: []engine.Endpoint{{Name: "SQL", URL: "postgres://127.0.0.1:5432"}}}
	w.relay.Health = engine.Health{State: engine.StateReady, Endpoints: []engine.Endpoint{{Name: "API", URL: "http://127.0.0.1:8080"}}}
	w.env = toy.New(t, w.postgres, w.kafka, w.relay)
	io, _, out, stderr := iostreams.Test()
	w.out, w.err = out, stderr
	w.opts = &Options{
		IO: io, EnvName: toy.Env, Command: "gmctl up", Output: render.Table,
		Open: func(environment.Options) (Environment, error) { return w.env, nil },
	}
	return w
}

// times are what differs from run to run.
var times = regexp.MustCompile(`[0-9.]+(ms|µs|s)\b`)

func (w *world) status() string { return times.ReplaceAllString(w.err.String(), "T") }

func TestUp(t *testing.T) {
	w := newWorld(t)
	if err := run(t.Context(), w.opts); err != nil {
		t.Fatal(err)
	}
	const status = `[   T] postgres  ready (T)
[   T] kafka     ready (T)
[   T] relay     ready (T)
✓ local is up: 3 ready (T)


Try next
  gmctl events simulate  let a population of players send events
  gmctl events tail      watch events as they arrive
  gmctl status           health, endpoints and key figures
  gmctl teardown         remove it all again
`
	if diff := cmp.Diff(status, w.status()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
	const data = `STAGE     ENDPOINT  URL
postgres  SQL       postgres://127.0.0.1:5432
relay     API       http://127.0.0.1:8080
`
	if diff := cmp.Diff(data, w.out.String()); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
}

func TestUpAgainIsOneLine(t *testing.T) {
	w := newWorld(t)
	w.postgres.There, w.kafka.There, w.relay.There = true, true, true
	if err := run(t.Context(), w.opts); err != nil {
		t.Fatal(err)
	}
	if got := w.out.String() + w.status(); got != "✓ local is up, nothing to change (T)\n" {
		t.Errorf("got:\n%s", got)
	}
}

func TestUpRecordsItsCommand(t *testing.T) {
	w := newWorld(t)
	w.opts.Command = "gmctl up --yes"
	if err := run(t.Context(), w.opts); err != nil {
		t.Fatal(err)
	}
	journal, err := engine.OpenJournal(w.env.JournalPath())
	if err != nil {
		t.Fatal(err)
	}
	records, err := journal.Records()
	if err != nil || len(records) == 0 || records[0].Command != "gmctl up --yes" {
		t.Errorf("the journal holds %+v, %v", records, err)
	}
}

func TestUpAsADocument(t *testing.T) {
	w := newWorld(t)
	w.opts.Output = render.JSON
	w.kafka.Fails = &problem.Error{What: "Kafka did not start", Cause: errors.New("disk full"), Next: "free some space"}
	if got := exitcode.Of(run(t.Context(), w.opts)); got != exitcode.Failed {
		t.Errorf("exit code %d", got)
	}
	var document struct {
		APIVersion, Kind string
		Data             Document
	}
	if err := json.Unmarshal([]byte(w.out.String()), &document); err != nil {
		t.Fatal(err)
	}
	got := document.Data
	if document.Kind != "Up" || got.Run == "" {
		t.Errorf("kind %q, run %q", document.Kind, got.Run)
	}
	got.Run, got.ElapsedSeconds = "", 0
	want := Document{
		Environment: "local", Changed: []string{"postgres"}, Unchanged: []string{}, Failed: []string{"kafka"},
		Endpoints: []Endpoint{}, Problem: &render.ProblemDocument{What: "Kafka did not start", Why: "disk full", Next: "free some space"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A failure is shown once, with its remedy.
func TestUpFails(t *testing.T) {
	w := newWorld(t)
	w.kafka.Fails = &problem.Error{What: "Kafka did not start", Cause: errors.New("disk full"), Next: "free some space"}
	err := run(t.Context(), w.opts)
	render.Problem(w.opts.IO, err)
	if exitcode.Of(err) != exitcode.Failed {
		t.Errorf("exit code %d", exitcode.Of(err))
	}
	const status = `[   T] postgres  ready (T)
[   T] kafka     failed (T)
✗ Kafka did not start
  why:  disk full
  next: free some space
[   T] relay     not tried, kafka failed
✗ local is not up: 1 failed, 1 not tried, 1 ready (T)
`
	if diff := cmp.Diff(status, w.status()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}

// After the timeout the problem names the stage and what it waited for.
func TestUpTimesOut(t *testing.T) {
	w := newWorld(t)
	w.opts.Timeout = 50 * time.Millisecond
	w.kafka.Hangs = true
	w.kafka.Says = []engine.Update{{Kind: engine.UpdateWaiting, Message: "waiting for port 9092", Usually: time.Second}}
	err := run(t.Context(), w.opts)
	render.Problem(w.opts.IO, err)
	if exitcode.Of(err) != exitcode.Failed {
		t.Errorf("exit code %d", exitcode.Of(err))
	}
	for _, want := range []string{
		"✗ kafka was not ready after T\n",
		"  why:  it was still waiting for port 9092, for T, which usually takes T\n",
		"run: gmctl up (it goes on where it stopped)\n",
	} {
		if n := strings.Count(w.status(), want); n != 1 {
			t.Errorf("%q stands %d times:\n%s", want, n, w.status())
		}
	}
}

// Where several stages were late, each says what it waited for.
func TestUpTimesOutInSeveralStages(t *testing.T) {
	var seen []engine.Event
	d := newDeadline(&Options{EnvName: "staging", Timeout: time.Millisecond}, func(e engine.Event) { seen = append(seen, e) })
	ctx, cancel := d.bound(t.Context())
	defer cancel()
	<-ctx.Done()
	late := &problem.Error{What: "too late", Cause: context.Cause(ctx)}
	own := &problem.Error{What: "the migration is wrong"}
	for _, e := range []engine.Event{
		{Kind: engine.StageStarted, Stage: "postgres"},
		{Kind: engine.StageStarted, Stage: "kafka"},
		{Kind: engine.StageStarted, Stage: "schema"},
		{Kind: engine.StageUpdate, Stage: "kafka", Update: &engine.Update{Kind: engine.UpdateProgress, Message: "starting"}},
		{Kind: engine.StageFailed, Stage: "postgres", Problem: late},
		{Kind: engine.StageFailed, Stage: "kafka", Problem: late},
		{Kind: engine.StageFailed, Stage: "schema", Problem: own},
		{Kind: engine.RunDone, Problem: &problem.Error{What: "3 stages failed"}},
	} {
		d.handle(e)
	}
	var got []string
	for _, e := range seen {
		if e.Problem != nil {
			got = append(got, e.Problem.Error())
		}
	}
	want := []string{
		"postgres was not ready after 1ms: the time given with --timeout is over",
		"kafka was not ready after 1ms: it was still starting, for 0.0s",
		"the migration is wrong",
		"staging is not up after 1ms: not ready in time: postgres, kafka",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if next := seen[len(seen)-1].Problem.Next; !strings.Contains(next, "run: gmctl up -e staging") {
		t.Errorf("it says: %s", next)
	}
}

func TestUpIsInterrupted(t *testing.T) {
	w := newWorld(t)
	w.kafka.Hangs = true
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	interrupted, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { <-ctx.Done(); stop() }()
	err := run(interrupted, w.opts)
	if exitcode.Of(err) != exitcode.Cancelled {
		t.Errorf("exit code %d: %v", exitcode.Of(err), err)
	}
	if !strings.Contains(w.status(), "goes on where it stopped") {
		t.Errorf("nothing says how to go on:\n%s", w.status())
	}
	w.kafka.Hangs = false
	if err := run(t.Context(), w.opts); err != nil {
		t.Errorf("the next up: %v", err)
	}
	if w.postgres.Applied() != 1 {
		t.Errorf("postgres was applied %d times, want once", w.postgres.Applied())
	}
}

func TestUpWhileAnotherIsAtWork(t *testing.T) {
	w := newWorld(t)
	lock, err := w.env.Lock("gmctl teardown")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	err = run(t.Context(), w.opts)
	if exitcode.Of(err) != exitcode.Locked || !strings.Contains(err.Error(), "gmctl teardown") {
		t.Errorf("exit code %d: %v", exitcode.Of(err), err)
	}
}

// A change that loses data needs a word from the user.
func TestUpAsksBeforeDataIsLost(t *testing.T) {
	for _, c := range []struct {
		name, answer  string
		yes, terminal bool
		want, applied int
	}{
		{"agreed", "local\n", false, true, exitcode.OK, 1},
		{"refused", "no\n", false, true, exitcode.Declined, 0},
		{"nobody there", "", false, false, exitcode.Declined, 0},
		{"--yes", "", true, false, exitcode.OK, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.postgres.There, w.postgres.Loses = true, true
			io, in, _, stderr := iostreams.TestTerminal(100, 30, false)
			io.InTTY, io.ErrTTY = c.terminal, c.terminal
			in.WriteString(c.answer)
			w.opts.IO, w.opts.Yes = io, c.yes
			err := run(t.Context(), w.opts)
			if exitcode.Of(err) != c.want || w.postgres.Applied() != c.applied {
				t.Errorf("exit code %d, applied %d: %v", exitcode.Of(err), w.postgres.Applied(), err)
			}
			if asked := strings.Contains(stderr.String(), "± replace  postgres data"); asked == c.yes {
				t.Errorf("what is lost was shown: %v\n%s", asked, stderr)
			}
		})
	}
}

func TestForegroundStaysUntilInterrupted(t *testing.T) {
	w := newWorld(t)
	w.opts.Foreground = true
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := run(ctx, w.opts); err != nil {
		t.Fatal(err)
	}
	if !w.env.Followed || ctx.Err() == nil {
		t.Errorf("it did not stay: followed %v", w.env.Followed)
	}
}
