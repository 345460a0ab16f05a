package history

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/testenv/golden"
)

var now = time.Date(2026, 3, 14, 9, 30, 0, 0, time.UTC)

// written is a journal of four runs: one good, one failed, one killed, and one
// that is still at work.
func written(t *testing.T) *engine.Journal {
	t.Helper()
	journal, err := engine.OpenJournal(filepath.Join(t.TempDir(), "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { journal.Close() })
	var run, command string
	write := func(ago time.Duration, stage string, status engine.Status, took time.Duration, changes ...string) {
		record := engine.Record{
			Time: now.Add(-ago), Run: run, Env: "local", Who: "ada@lovelace", Command: command,
			Stage: stage, Verb: engine.VerbApply, Status: status, Elapsed: took, Changes: changes,
		}
		if status == engine.StatusFailed {
			record.Error = "PostgreSQL did not start: disk full"
		}
		if err := journal.Append(record); err != nil {
			t.Fatal(err)
		}
	}
	const ms = time.Millisecond
	run, command = "20260312-093000-aaaaaa", "gmctl up"
	write(48*time.Hour, "", engine.StatusStarted, 0)
	write(48*time.Hour-10*ms, "postgres", engine.StatusStarted, 0, "create the database files", "start PostgreSQL (port 5432)")
	write(48*time.Hour-10*ms, "kafka", engine.StatusStarted, 0, "start Kafka")
	write(48*time.Hour-400*ms, "kafka", engine.StatusDone, 390*ms, "start Kafka")
	write(48*time.Hour-1200*ms, "postgres", engine.StatusDone, 1190*ms, "create the database files", "start PostgreSQL (port 5432)")
	write(48*time.Hour-1210*ms, "relay", engine.StatusStarted, 0, "start the relay")
	write(48*time.Hour-2000*ms, "relay", engine.StatusDone, 790*ms, "start the relay")
	write(48*time.Hour-2000*ms, "", engine.StatusDone, 2*time.Second, "3 changed")

	run, command = "20260314-083000-bbbbbb", "gmctl up --only=postgres"
	write(time.Hour, "", engine.StatusStarted, 0)
	write(time.Hour, "postgres", engine.StatusStarted, 0, "start PostgreSQL (port 5432)")
	write(time.Hour-3*time.Second, "postgres", engine.StatusFailed, 3*time.Second, "start PostgreSQL (port 5432)")
	write(time.Hour-3*time.Second, "", engine.StatusFailed, 3*time.Second, "1 failed")

	run, command = "20260314-090000-cccccc", "gmctl up"
	write(30*time.Minute, "", engine.StatusStarted, 0)
	write(30*time.Minute, "postgres", engine.StatusStarted, 0, "start PostgreSQL (port 5432)")

	run, command = "20260314-092955-dddddd", "gmctl up"
	write(5*time.Second, "", engine.StatusStarted, 0)
	write(5*time.Second, "postgres", engine.StatusStarted, 0, "start PostgreSQL (port 5432)")
	return journal
}

func TestFlags(t *testing.T) {
	for args, want := range map[string]Options{
		"":                                  {Output: render.Table, Limit: 20},
		"--limit 3 --stage kafka -o json":   {Output: render.JSON, Limit: 3, Stage: "kafka"},
		"-n 0 --since 2026-03-01T10:00:00Z": {Output: render.Table, Since: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)},
	} {
		io, _, _, _ := iostreams.Test()
		var got Options
		cmd := newCommand(factory.New(io), func(_ context.Context, opts *Options) error { got = *opts; return nil }, nil)
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.Execute(); err != nil {
			t.Errorf("%q: %v", args, err)
		}
		got.IO, got.Journal, got.Now = nil, nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q:\n%s", args, diff)
		}
	}
}

func TestShowFlags(t *testing.T) {
	io, _, _, _ := iostreams.Test()
	var got ShowOptions
	cmd := newCommand(factory.New(io), nil, func(_ context.Context, opts *ShowOptions) error { got = *opts; return nil })
	cmd.SetArgs(strings.Fields("show 20260314 --gantt -o yaml"))
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	got.IO, got.Journal, got.Now = nil, nil, nil
	if diff := cmp.Diff(ShowOptions{Run: "20260314", Output: render.YAML, Gantt: true}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range []string{"--since yesterday", "--since -3h", "--limit -1"} {
		io, _, _, _ := iostreams.Test()
		cmd := newCommand(factory.New(io), func(context.Context, *Options) error { return nil }, nil)
		cmd.SetArgs(strings.Fields(args))
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if got := exitcode.Of(cmd.Execute()); got != exitcode.Usage {
			t.Errorf("%q: exit code %d, want %d", args, got, exitcode.Usage)
		}
	}
}

func TestParseSince(t *testing.T) {
	for text, want := range map[string]time.Time{
		"":                     {},
		"90m":                  now.Add(-90 * time.Minute),
		"7d":                   now.AddDate(0, 0, -7),
		"2026-03-01":           time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		"2026-03-01 12:30:00":  time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC),
		"2026-03-01T12:30:00Z": time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestList(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Options)
	}{
		{"list", func(*Options) {}},
		{"list-limited", func(opts *Options) { opts.Limit = 1 }},
		{"list-since", func(opts *Options) { opts.Since = now.Add(-2 * time.Hour) }},
		{"list-stage", func(opts *Options) { opts.Stage = "kafka" }},
		{"list-none", func(opts *Options) { opts.Stage = "smoke" }},
		{"list.json", func(opts *Options) { opts.Output, opts.Limit = render.JSON, 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			journal := written(t)
			io, _, out, stderr := iostreams.Test()
			opts := &Options{
				IO: io, EnvName: "local", Output: render.Table, Limit: 20, Now: func() time.Time { return now },
				Journal: func() (*engine.Journal, error) { return journal, nil },
			}
			c.set(opts)
			if err := list(t.Context(), opts); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, c.name+".golden", "stdout:\n"+out.String()+"stderr:\n"+stderr.String())
		})
	}
}

// showing runs `gmctl history show` on the written journal.
func showing(t *testing.T, journal *engine.Journal, set func(*ShowOptions)) (out, stderr *bytes.Buffer, err error) {
	t.Helper()
	io, _, out, stderr := iostreams.Test()
	opts := &ShowOptions{
		IO: io, EnvName: "local", Output: render.Table, Now: func() time.Time { return now },
		Journal: func() (*engine.Journal, error) { return journal, nil },
	}
	set(opts)
	err = show(t.Context(), opts)
	render.Problem(io, err)
	return out, stderr, err
}

func TestShow(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*ShowOptions)
	}{
		{"show-newest", func(*ShowOptions) {}},
		{"show-good", func(opts *ShowOptions) { opts.Run = "20260312" }},
		{"show-gantt", func(opts *ShowOptions) { opts.Run, opts.Gantt = "20260312", true }},
		{"show-failed", func(opts *ShowOptions) { opts.Run = "20260314-08" }},
		{"show-killed", func(opts *ShowOptions) { opts.Run = "20260314-090" }},
		{"show.yaml", func(opts *ShowOptions) { opts.Run, opts.Output = "20260314-08", render.YAML }},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, stderr, err := showing(t, written(t), c.set)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, c.name+".golden", "stdout:\n"+out.String()+"stderr:\n"+stderr.String())
		})
	}
}

func TestShowOfNoSingleRun(t *testing.T) {
	for run, want := range map[string]string{
		"20260314": "✗ 3 runs begin with \"20260314\"",
		"x":        "✗ there is no run \"x\"",
	} {
		_, stderr, err := showing(t, written(t), func(opts *ShowOptions) { opts.Run = run })
		if exitcode.Of(err) != exitcode.Usage || !strings.HasPrefix(stderr.String(), want) {
			t.Errorf("%q: exit code %d: %s", run, exitcode.Of(err), stderr)
		}
	}
	empty, err := engine.OpenJournal(filepath.Join(t.TempDir(), "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := showing(t, empty, func(*ShowOptions) {}); err == nil || !strings.Contains(err.Error(), "nothing was done to local yet") {
		t.Errorf("an empty journal: %v", err)
	}
}

// A line that a crash cut off is said, and hides nothing else.
func TestDamagedLines(t *testing.T) {
	journal := written(t)
	journal.Close()
	data, err := os.ReadFile(journal.Path())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(journal.Path(), append(data, `{"time":"2026-`...), 0o600); err != nil {
		t.Fatal(err)
	}
	out, stderr, err := showing(t, journal, func(opts *ShowOptions) { opts.Run = "20260312" })
	if err != nil || !strings.Contains(out.String(), "3 changed") {
		t.Errorf("%v:\n%s", err, out)
	}
	if !strings.Contains(stderr.String(), "! 1 line of the journal cannot be read") {
		t.Errorf("stderr: %s", stderr)
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		from, length float64
		want         string
	}{
		{0, 4, "████"},
		{2, 3, "  ███"},
		{0, 2.5, "██▌"},
		{1, 0, " ▌"},
		{8, 9, "        ██"},
		{10, 0, "         █"},
	} {
		if got := bar(c.from, c.length, 10); got != c.want {
			t.Errorf("bar(%v, %v) is %q, want %q", c.from, c.length, got, c.want)
		}
	}
}
