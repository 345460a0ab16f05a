package importer

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/pkg/event"
)

func TestWhatBecomesOfEachKindOfLine(t *testing.T) {
	long := `{"playerId":"long","eventType":"a","timestamp":"2026-03-01T10:00:00Z","metadata":{"x":"` + strings.Repeat("y", MaxRecord) + `"}}`
	type reject struct {
		line   int64
		reason string // a part of it
	}
	for _, test := range []struct {
		name, file, content string
		players             map[string]int
		rejects             []reject
		lines               int64
	}{
		{"lines and blank lines", "a.ndjson", line("a") + "\n\n  \n" + line("b") + "\n", map[string]int{"a": 1, "b": 1}, nil, 4},
		{"CRLF and no end of the last line", "a.ndjson", line("a") + "\r\n" + line("b"), map[string]int{"a": 1, "b": 1}, nil, 2},
		{"byte order mark", "a.ndjson", "\xEF\xBB\xBF" + line("a") + "\n", map[string]int{"a": 1}, nil, 1},
		{"the same line twice is two events", "a.ndjson", line("a") + "\n" + line("a") + "\n", map[string]int{"a": 2}, nil, 2},
		{"empty file", "a.ndjson", "", map[string]int{}, nil, 0},
		{"gzip by its content", "a.ndjson", gzipped(t, line("a")+"\n"), map[string]int{"a": 1}, nil, 1},
		{"zstd by its content", "a.csv.zst", zstandard(t, "playerId,eventType,timestamp\na,login,2026-03-01T10:00:00Z\n"), map[string]int{"a": 1}, nil, 2},
		{"not JSON", "a.ndjson", line("a") + "\nnonsense\n" + line("b"), map[string]int{"a": 1, "b": 1}, []reject{{2, "must be JSON"}}, 3},
		{"invalid field", "a.ndjson", `{"playerId":"a","eventType":"9","timestamp":"2026-03-01T10:00:00Z"}`, map[string]int{}, []reject{{1, "eventType must be a letter"}}, 1},
		{"invalid UTF-8", "a.ndjson", line("a\xff") + "\n" + line("b"), map[string]int{"b": 1}, []reject{{1, "must be UTF-8"}}, 2},
		{"absurdly long", "a.ndjson", line("a") + "\n" + long + "\n" + line("b"), map[string]int{"a": 1, "b": 1}, []reject{{2, "longer than 1 MiB"}}, 3},
		{"refused by the service", "a.ndjson", line("a") + "\n" + line("refused") + "\nx\n", map[string]int{"a": 1}, []reject{{2, "timestamp is too old"}, {3, "must be JSON"}}, 3},
		{"CSV with a quoted line end", "a.csv", "player_id,eventType,timestamp,metadata.note\r\na,login,2026-03-01T10:00:00Z,\"one\r\ntwo, \"\"three\"\"\"\r\nb,login,2026-03-01T10:00:00Z,\r\n", map[string]int{"a": 1, "b": 1}, nil, 4},
		{"CSV with a stray quote", "a.csv", "playerId,eventType,timestamp\na,lo\"gin,2026-03-01T10:00:00Z\nb,login,2026-03-01T10:00:00Z\n", map[string]int{"b": 1}, []reject{{2, "quote inside an unquoted field (field 2)"}}, 3},
		{"CSV with an open quote", "a.csv", "playerId,eventType,timestamp\na,\"login,2026-03-01T10:00:00Z\nb,login,2026-03-01T10:00:00Z\n", map[string]int{"b": 1}, []reject{{2, "not closed"}}, 3},
		{"CSV with a row too short", "a.csv", "playerId,eventType,timestamp\na,login\n\nb,login,2026-03-01T10:00:00Z\n", map[string]int{"b": 1}, []reject{{2, "2 fields where the header has 3"}}, 4},
		{"CSV with an empty field", "a.csv", "playerId,eventType,timestamp\n,login,2026-03-01T10:00:00Z\n", map[string]int{}, []reject{{2, "playerId is required"}}, 2},
		{"CSV in another encoding", "a.csv", "playerId,eventType,timestamp\ncaf\xe9,login,2026-03-01T10:00:00Z\n", map[string]int{}, []reject{{2, "playerId must be UTF-8"}}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newService()
			path := write(t, test.file, test.content)
			summary, err := Run(t.Context(), importInto(t, s, path))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.players, s.players()); diff != "" {
				t.Errorf("stored events by player (-want +got):\n%s", diff)
			}
			rejects := rejectsOf(t, path+".rejects.ndjson")
			if len(rejects) != len(test.rejects) {
				t.Fatalf("rejects: %+v", rejects)
			}
			for i, want := range test.rejects {
				if got := rejects[i]; got.Line != want.line || !strings.Contains(got.Reason, want.reason) {
					t.Errorf("reject %d: line %d, %q; want line %d, …%s…", i, got.Line, got.Reason, want.line, want.reason)
				}
			}
			if !summary.Complete || summary.Lines != test.lines || summary.Rejected != int64(len(rejects)) || summary.Stored != int64(len(s.stored)) {
				t.Errorf("summary %+v", summary)
			}
		})
	}
}

func TestARejectKeepsTheLine(t *testing.T) {
	binary := "{\"a\xff"
	long := strings.Repeat("z", MaxRecord+7)
	path := write(t, "a.ndjson", "tom & <jerry>\n"+binary+"\n"+long)
	if _, err := Run(t.Context(), importInto(t, newService(), path)); err != nil {
		t.Fatal(err)
	}
	rejects := rejectsOf(t, path+".rejects.ndjson")
	if rejects[0].Text != "tom & <jerry>" || len(rejects[0].Fields) != 1 || rejects[0].Fields[0].Code != event.CodeMalformed {
		t.Errorf("a plain line: %+v", rejects[0])
	}
	if string(rejects[1].TextBase64) != binary || rejects[1].Text != "" {
		t.Errorf("a line that is not UTF-8: %+v", rejects[1])
	}
	if rejects[2].Bytes != int64(len(long)) || rejects[2].Text != long[:keptOfLong] {
		t.Errorf("a long line: %d bytes, %d kept", rejects[2].Bytes, len(rejects[2].Text))
	}
}

func TestImportingAgainStoresNothingTwice(t *testing.T) {
	content := line("a") + "\n" + line("a") + "\n" + `{"eventId":"01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b10",` + line("b")[1:] + "\n"
	s := newService()
	for _, again := range []struct{ name, content string }{
		{"a.ndjson", content},
		{"a copy.ndjson", content},
		{"compressed.gz", gzipped(t, content)},
		{"with CRLF", strings.ReplaceAll(content, "\n", "\r\n")},
	} {
		summary, err := Run(t.Context(), importInto(t, s, write(t, again.name, again.content)))
		if err != nil {
			t.Fatal(err)
		}
		if len(s.stored) != 3 || summary.Total() != 3 {
			t.Fatalf("after %s: %d stored, %+v", again.name, len(s.stored), summary)
		}
	}
	grown, err := Run(t.Context(), importInto(t, s, write(t, "grown", content+line("c"))))
	if err != nil || grown.Stored != 1 || grown.Duplicates != 3 {
		t.Fatalf("after the file has grown: %+v, %v", grown, err)
	}
	other, err := Run(t.Context(), importInto(t, s, write(t, "other", line("z")+"\n"+line("a")+"\n")))
	if err != nil || other.Stored != 2 {
		t.Fatalf("another file with an equal line at an equal place: %+v, %v", other, err)
	}
}

func TestACompleteImportIsNotDoneAgain(t *testing.T) {
	s := newService()
	path := write(t, "a.ndjson", line("a")+"\nnonsense\n")
	if _, err := Run(t.Context(), importInto(t, s, path)); err != nil {
		t.Fatal(err)
	}
	calls := s.calls
	summary, err := Run(t.Context(), importInto(t, s, path))
	if err != nil || s.calls != calls || summary.Stored != 1 || summary.Rejected != 1 || summary.ThisRun.Total() != 0 {
		t.Fatalf("%d more calls, %+v, %v", s.calls-calls, summary, err)
	}
	if len(rejectsOf(t, summary.RejectFile)) != 1 {
		t.Error("the reject file is gone")
	}
	restart := importInto(t, s, path)
	restart.Restart = true
	summary, err = Run(t.Context(), restart)
	if err != nil || summary.Duplicates != 1 || len(rejectsOf(t, summary.RejectFile)) != 1 {
		t.Fatalf("with --restart: %+v, %v", summary, err)
	}
	elsewhere := importInto(t, s, path)
	elsewhere.Target = "http://other"
	if summary, err = Run(t.Context(), elsewhere); err != nil || summary.Duplicates != 1 {
		t.Fatalf("into another service: %+v, %v", summary, err)
	}
}

func TestOneConnectionKeepsTheOrderOfTheFile(t *testing.T) {
	s := newService()
	var content strings.Builder
	for i := range 5000 {
		fmt.Fprintln(&content, line(fmt.Sprintf("p%04d", i)))
	}
	opts := importInto(t, s, write(t, "a.ndjson", content.String()))
	opts.Connections = 1
	if _, err := Run(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	for i, e := range s.order {
		if e.PlayerID != fmt.Sprintf("p%04d", i) {
			t.Fatalf("event %d is of %s", i, e.PlayerID)
		}
	}
	if len(s.order) != 5000 {
		t.Fatalf("%d stored", len(s.order))
	}
}

func TestCheckingAloneSendsAndWritesNothing(t *testing.T) {
	path := write(t, "a.ndjson", line("a")+"\nnonsense\n"+line("b"))
	opts := importInto(t, newService(), path)
	opts.Send = nil
	var seen []Reject
	opts.OnReject = func(r Reject) { seen = append(seen, r) }
	summary, err := Run(t.Context(), opts)
	if err != nil || summary.Valid != 2 || summary.Rejected != 1 || len(seen) != 1 || seen[0].Line != 2 {
		t.Fatalf("%+v, %+v, %v", summary, seen, err)
	}
	if _, err := os.Stat(path + ".rejects.ndjson"); err == nil {
		t.Error("it wrote a reject file")
	}
	if _, err := os.Stat(opts.CheckpointDir); err == nil {
		t.Error("it wrote a checkpoint")
	}
}

func TestTooManyErrorsEndTheImportWhereItCanGoOn(t *testing.T) {
	s := newService()
	path := write(t, "a.ndjson", line("a")+"\nx\ny\n"+line("b")+"\n")
	opts := importInto(t, s, path)
	opts.MaxErrors, opts.chunkRecords = 1, 1
	summary, err := Run(t.Context(), opts)
	if err == nil || !strings.Contains(err.Error(), "stopped at line 3") || summary.Complete {
		t.Fatalf("%+v, %v", summary, err)
	}
	summary, err = Run(t.Context(), opts)
	if err != nil || !summary.Complete || summary.ResumedAtLine != 4 || summary.Rejected != 2 || summary.Stored+summary.Duplicates != 2 || len(s.stored) != 2 {
		t.Fatalf("going on: %+v, %v", summary, err)
	}
}

func TestDamagedFiles(t *testing.T) {
	var content strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&content, `{"playerId":"p%04d","eventType":"login","timestamp":"2026-03-01T10:00:00.%06dZ"}`+"\n", i, i*317)
	}
	for name, whole := range map[string]string{"gzip": gzipped(t, content.String()), "zstd": zstandard(t, content.String())} {
		t.Run(name+" cut off", func(t *testing.T) {
			s := newService()
			path := write(t, "a", whole[:len(whole)*2/3])
			summary, err := Run(t.Context(), importInto(t, s, path))
			p := problem.From(err)
			if p == nil || !strings.Contains(p.What, fmt.Sprintf("cannot be read after line %d", summary.Lines)) || summary.Complete {
				t.Fatalf("%+v, %v", summary, err)
			}
			if summary.Rejected != 0 || summary.Stored != summary.Lines {
				t.Fatalf("the line it breaks off in is not left out: %+v", summary)
			}
			if err := os.WriteFile(path, []byte(whole), 0o644); err != nil {
				t.Fatal(err)
			}
			summary, err = Run(t.Context(), importInto(t, s, path))
			if err != nil || len(s.stored) != 2000 || summary.Total() != 2000 {
				t.Fatalf("with the whole file: %+v, %v", summary, err)
			}
		})
	}
	for name, test := range map[string]struct{ content, cause string }{
		"UTF-16":                   {"\xff\xfe{\x00", "UTF-16"},
		"zip":                      {"PK\x03\x04rest", "zip archive"},
		"only the magic of a gzip": {"\x1f\x8b", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Run(t.Context(), importInto(t, newService(), write(t, "a", test.content)))
			if p := problem.From(err); p == nil || p.Kind != problem.Usage || !strings.Contains(p.Error(), test.cause) {
				t.Fatalf("%v", err)
			}
		})
	}
}

func TestAFullDiskLosesNothing(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("this system has no " + full)
	}
	s := newService()
	path := write(t, "a.ndjson", line("a")+"\nnonsense\n"+line("b")+"\n")
	opts := importInto(t, s, path)
	opts.RejectPath = full
	summary, err := Run(t.Context(), opts)
	p := problem.From(err)
	if p == nil || !strings.Contains(p.Error(), "no space left") || p.Next == "" || summary.Complete || summary.Lines != 0 {
		t.Fatalf("%+v, %v", summary, err)
	}
	summary, err = Run(t.Context(), importInto(t, s, path))
	if err != nil || !summary.Complete || summary.Rejected != 1 || len(s.stored) != 2 || len(rejectsOf(t, path+".rejects.ndjson")) != 1 {
		t.Fatalf("with room again: %+v, %v", summary, err)
	}
}

func TestACheckpointThatCannotBeKept(t *testing.T) {
	s := newService()
	path := write(t, "a.ndjson", line("a")+"\n")
	opts := importInto(t, s, path)
	if err := os.WriteFile(opts.CheckpointDir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Run(t.Context(), opts)
	if p := problem.From(err); p == nil || !strings.Contains(p.What, "checkpoint") || p.Next == "" {
		t.Fatalf("%v", err)
	}
}

func TestNoFileOfTheUserIsTakenForARejectFile(t *testing.T) {
	path := write(t, "a.ndjson", "nonsense\n")
	opts := importInto(t, newService(), path)
	opts.RejectPath = write(t, "thesis.txt", "years of work\n")
	if _, err := Run(t.Context(), opts); problem.From(err).Kind != problem.Usage {
		t.Fatalf("%v", err)
	}
	if data, _ := os.ReadFile(opts.RejectPath); string(data) != "years of work\n" {
		t.Fatalf("it now holds %q", data)
	}
}

func TestTwoImportsOfOneFileAreTold(t *testing.T) {
	s := newService()
	path := write(t, "a.ndjson", line("a")+"\n")
	opts := importInto(t, s, path)
	var second error
	opts.Progress = func(Progress) { _, second = Run(t.Context(), importInto(t, s, path)) }
	if _, err := Run(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if problem.From(second) == nil || problem.From(second).Kind != problem.Locked {
		t.Fatalf("the second import: %v", second)
	}
}

func TestStandardInput(t *testing.T) {
	s := newService()
	t.Chdir(t.TempDir())
	opts := Options{Path: Stdin, Stdin: strings.NewReader(gzipped(t, line("a")+"\nx\n")), Send: s.send, Rules: event.DefaultRules(), MaxErrors: -1, Now: now}
	summary, err := Run(t.Context(), opts)
	if err != nil || summary.Stored != 1 || summary.Rejected != 1 || !summary.Complete {
		t.Fatalf("%+v, %v", summary, err)
	}
	if len(rejectsOf(t, "stdin.rejects.ndjson")) != 1 {
		t.Error("no reject file")
	}
}

func TestCancellingKeepsWhatIsSettled(t *testing.T) {
	s := newService()
	var content strings.Builder
	for i := range 200 {
		fmt.Fprintln(&content, line(fmt.Sprint("p", i)))
	}
	path := write(t, "a.ndjson", content.String())
	ctx, cancel := context.WithCancel(t.Context())
	opts := importInto(t, s, path)
	opts.chunkRecords = 10
	opts.Progress = func(p Progress) {
		if p.Line >= 50 {
			cancel()
		}
	}
	summary, err := Run(ctx, opts)
	if err == nil || summary.Complete || summary.Lines < 50 || summary.Lines >= 200 {
		t.Fatalf("%+v, %v", summary, err)
	}
	if int64(len(s.stored)) != summary.Stored {
		t.Errorf("%d stored, %d settled: what was on its way is not settled", len(s.stored), summary.Stored)
	}
	summary, err = Run(t.Context(), importInto(t, s, path))
	if err != nil || summary.Total() != 200 || len(s.stored) != 200 || summary.Duplicates != 0 {
		t.Fatalf("going on: %+v, %v", summary, err)
	}
}

func TestAnUnreadableFile(t *testing.T) {
	for _, path := range []string{t.TempDir(), "/nowhere/at/all"} {
		_, err := Run(t.Context(), importInto(t, newService(), path))
		if p := problem.From(err); p == nil || p.Kind != problem.Usage || !strings.Contains(p.What, path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	opts := importInto(t, newService(), "x")
	opts.Path, opts.Stdin = Stdin, io.LimitReader(strings.NewReader(""), 0)
	if summary, err := Run(t.Context(), opts); err != nil || !summary.Complete {
		t.Errorf("empty standard input: %+v, %v", summary, err)
	}
}

func TestAnotherRejectFileForTheRest(t *testing.T) {
	s := newService()
	path := write(t, "a.ndjson", "x\n"+line("a")+"\ny\n")
	opts := importInto(t, s, path)
	opts.chunkRecords, opts.Connections, opts.MaxErrors = 1, 1, 0
	if _, err := Run(t.Context(), opts); err == nil {
		t.Fatal("it did not stop at the first rejected line")
	}
	opts.MaxErrors = -1
	opts.RejectPath = filepath.Join(t.TempDir(), "rest.ndjson")
	summary, err := Run(t.Context(), opts)
	if err != nil || !summary.Complete || summary.Rejected != 2 || summary.RejectFile != opts.RejectPath {
		t.Fatalf("%+v, %v", summary, err)
	}
	if old, rest := rejectsOf(t, path+".rejects.ndjson"), rejectsOf(t, opts.RejectPath); len(old) != 1 || len(rest) != 1 || rest[0].Line != 3 {
		t.Errorf("rejects before %+v, after %+v", old, rest)
	}
}
