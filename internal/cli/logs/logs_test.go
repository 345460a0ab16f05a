package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	ingestionLog = `{"time":"2026-11-24T10:00:01.5Z","level":"INFO","msg":"listening","address":"127.0.0.1:8080"}
{"time":"2026-11-24T10:00:03Z","level":"ERROR","msg":"the batch was not stored","error":"context deadline exceeded","batch":{"events":250,"bytes":81920},"took":"5s"}
panic: a stack follows
	main.go:12
{"time":"2026-11-24T10:00:05Z","level":"WARN","msg":"","empty":"","tricky":"a=b \u001b[31mred"}
`
	postgresLog = `2026-11-24 10:00:00.250 UTC [41] LOG:  database system is ready to accept connections
2026-11-24 10:00:02.000 UTC [57] ERROR:  duplicate key value violates unique constraint "events_pkey"
2026-11-24 10:00:02.000 UTC [57] DETAIL:  Key (event_id)=(1) already exists.
2026-11-24 10:00:02.000 UTC [57] STATEMENT:  INSERT INTO events
	VALUES (1)
2026-11-24 10:00:04.000 UTC [41] FATAL:  terminating connection due to administrator command
`
	relayOld = `{"time":"2026-11-24T09:00:00Z","level":"INFO","msg":"relayed","events":1}
`
	relayLog = `{"time":"2026-11-24T10:00:02.5Z","level":"DEBUG","msg":"relayed","events":2}
`
)

// logsDir makes a directory with the logs of three services.
func logsDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "ingestion.log", ingestionLog)
	write(t, dir, "postgres.log", postgresLog)
	write(t, dir, "relay.log", relayLog)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(relayOld)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "relay-2026-11-24T09-30-00.000.log.gz", packed.String())
	write(t, dir, "supervisor.out", "not a log\n")
	return dir
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t *testing.T, path, content string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(content); err != nil {
		t.Fatal(err)
	}
}

// logs runs the command over the directory and returns what it printed.
func logs(t *testing.T, dir string, arguments ...string) (out, status string, err error) {
	t.Helper()
	streams, _, outBuffer, errBuffer := iostreams.Test()
	err = execute(t.Context(), streams, dir, arguments...)
	return outBuffer.String(), errBuffer.String(), err
}

func execute(ctx context.Context, streams *iostreams.IOStreams, dir string, arguments ...string) error {
	f := factory.New(streams)
	f.EnvName = "local"
	cmd := newCommand(f, func(ctx context.Context, opts *Options) error {
		opts.Logs = func(context.Context) (environment.Logs, error) { return environment.Logs{Dir: dir}, nil }
		opts.Poll, opts.Zone = time.Millisecond, time.UTC
		return run(ctx, opts)
	})
	cmd.SetArgs(append([]string{}, arguments...)) // nil would be those of the test binary
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(ctx)
}

func TestWhatIsPrinted(t *testing.T) {
	dir := logsDir(t)
	tests := map[string][]string{
		"all":      nil,
		"json":     {"-o", "json"},
		"one":      {"relay", "--tail", "all"},
		"tail":     {"-n", "2"},
		"since":    {"--since", "2026-11-24T10:00:03Z"},
		"none":     {"-n", "0"},
		"two":      {"relay", "postgres", "-n", "3"},
		"too-late": {"--since", "2027-01-01"},
	}
	for name, arguments := range tests {
		t.Run(name, func(t *testing.T) {
			got, _, err := logs(t, dir, arguments...)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, got)
		})
	}
	t.Run("color", func(t *testing.T) {
		streams, _, out, _ := iostreams.TestTerminal(100, 24, true)
		if err := execute(t.Context(), streams, dir); err != nil {
			t.Fatal(err)
		}
		golden(t, "color", out.String())
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got):\n%s", path, diff)
	}
}

func TestWrongCommandLines(t *testing.T) {
	dir := logsDir(t)
	tests := []struct {
		arguments []string
		what      string
		next      string
	}{
		{[]string{"ingestoin"}, `"ingestoin"`, "did you mean ingestion?"},
		{[]string{"kafkaesque"}, `"kafkaesque"`, "choose one of: ingestion, postgres, relay"},
		{[]string{"-n", "many"}, `"many"`, "--tail"},
		{[]string{"-n", "-5"}, `"-5"`, "--tail"},
		{[]string{"--since", "yesterday"}, `"yesterday"`, "--since"},
		{[]string{"-o", "xml"}, `"xml"`, "text or json"},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.arguments, " "), func(t *testing.T) {
			out, _, err := logs(t, dir, test.arguments...)
			p, ok := errors.AsType[*problem.Error](err)
			if !ok || p.Kind != problem.Usage || !strings.Contains(p.What, test.what) || !strings.Contains(p.Next, test.next) {
				t.Errorf("got %+v", err)
			}
			if out != "" {
				t.Errorf("printed %q", out)
			}
		})
	}
}

func TestNoLogsYet(t *testing.T) {
	out, status, err := logs(t, filepath.Join(t.TempDir(), "logs"))
	if err != nil || out != "" || !strings.Contains(status, "gmctl up") {
		t.Errorf("out %q, status %q, %v", out, status, err)
	}
}

func TestCompletionOffersTheServicesNotYetChosen(t *testing.T) {
	got, err := services(logsDir(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ingestion", "postgres", "relay"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	tests := map[string]time.Time{
		"":                     {},
		"10m":                  now.Add(-10 * time.Minute),
		"-10m":                 now.Add(-10 * time.Minute),
		"2d":                   now.AddDate(0, 0, -2),
		"2026-11-01":           time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		"2026-11-01T10:00:00Z": time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC),
	}
	for value, want := range tests {
		if got, err := parseSince(value, now); err != nil || !got.Equal(want) {
			t.Errorf("parseSince(%q) = %v, %v", value, got, err)
		}
	}
}

// follower is `gmctl logs -f` in the background.
type follower struct {
	mu   sync.Mutex
	out  bytes.Buffer
	stop context.CancelFunc
	done chan error
}

func (f *follower) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out.Write(p)
}

func (f *follower) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out.String()
}

func follow(t *testing.T, dir string, arguments ...string) *follower {
	t.Helper()
	f := &follower{done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	f.stop = cancel
	streams, _, _, _ := iostreams.Test()
	streams.Out = f
	go func() { f.done <- execute(ctx, streams, dir, append([]string{"-f"}, arguments...)...) }()
	t.Cleanup(cancel)
	return f
}

// await waits until the text was printed, once.
func (f *follower) await(t *testing.T, text string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for strings.Count(f.text(), text) != 1 {
		if time.Now().After(deadline) {
			t.Fatalf("%q is not there once in:\n%s", text, f.text())
		}
		time.Sleep(time.Millisecond)
	}
}

func slogLine(second int, message string) string {
	return fmt.Sprintf(`{"time":"2026-11-24T11:00:%02dZ","level":"INFO","msg":%q}`+"\n", second, message)
}

func TestFollow(t *testing.T) {
	dir := logsDir(t)
	path := filepath.Join(dir, "ingestion.log")
	f := follow(t, dir, "-n", "1")
	f.await(t, "tricky=")

	appendTo(t, path, slogLine(1, "plain"))
	f.await(t, "plain")

	line := slogLine(2, "in two parts")
	appendTo(t, path, line[:20])
	time.Sleep(5 * time.Millisecond)
	appendTo(t, path, line[20:])
	f.await(t, "in two parts")

	// Two rotations between two looks: nothing is left out, nothing told twice.
	appendTo(t, path, slogLine(3, "before the rotation"))
	rename(t, path, filepath.Join(dir, "ingestion-2026-11-24T11-00-03.000.log"))
	appendTo(t, path, slogLine(4, "between the rotations"))
	rename(t, path, filepath.Join(dir, "ingestion-2026-11-24T11-00-04.000.log"))
	appendTo(t, path, slogLine(5, "after the rotations"))
	for _, text := range []string{"before the rotation", "between the rotations", "after the rotations"} {
		f.await(t, text)
	}

	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	appendTo(t, path, slogLine(6, "short"))
	f.await(t, "short")

	write(t, dir, "notifications.log", slogLine(7, "a service that is new"))
	f.await(t, "a service that is new")

	f.stop()
	if err := <-f.done; err != nil {
		t.Errorf("Ctrl-C ends in an error: %v", err)
	}
}

func TestFollowWaitsForTheFirstLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	f := follow(t, dir)
	time.Sleep(5 * time.Millisecond)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "ingestion.log", slogLine(1, "the first"))
	f.await(t, "the first")
}

func TestALongLineIsCutAndCounted(t *testing.T) {
	long := strings.Repeat("x", longestLine+10) + "\nnext\n"
	var got []int
	read, err := readLines(strings.NewReader(long), false, func(line []byte) { got = append(got, len(line)) })
	if err != nil || read != int64(len(long)) {
		t.Fatalf("read %d of %d, %v", read, len(long), err)
	}
	if diff := cmp.Diff([]int{longestLine, 4}, got); diff != "" {
		t.Error(diff)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
