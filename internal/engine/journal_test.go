package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func openJournal(t testing.TB) *Journal {
	t.Helper()
	journal, err := OpenJournal(filepath.Join(t.TempDir(), "made", "by the first append", "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = journal.Close() })
	return journal
}

func TestJournalLine(t *testing.T) {
	journal := openJournal(t)
	record := Record{
		Time: time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC), Run: "20260301-120000-c0ffee", Env: "local", Who: "ada@laptop",
		Command: "gmctl up", Stage: "kafka", Verb: VerbApply, Status: StatusDone, Fingerprint: "f1",
		Changes: []string{"start kafka (loopback only)"}, Elapsed: 1204 * time.Millisecond,
	}
	if err := journal.Append(record); err != nil {
		t.Fatal(err)
	}
	const want = `{"time":"2026-03-01T12:00:00.005Z","run":"20260301-120000-c0ffee","env":"local","who":"ada@laptop","command":"gmctl up",` +
		`"stage":"kafka","verb":"apply","status":"done","fingerprint":"f1","changes":["start kafka (loopback only)"],"elapsedSeconds":1.204}` + "\n"
	text, err := os.ReadFile(journal.Path())
	if err != nil || string(text) != want {
		t.Errorf("%v\n got %s\nwant %s", err, text, want)
	}
	if info, err := os.Stat(journal.Path()); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("others can read it: %v, %v", info.Mode(), err)
	}
	records, err := journal.Records()
	if diff := cmp.Diff([]Record{record}, records); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// Whatever a record holds, it is one line and reads back as it was.
func TestAnyRecordReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		record := Record{
			Time: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0).UTC(), Run: rapid.StringN(1, 9, -1).Draw(t, "run"), Status: StatusDone,
			Stage: rapid.String().Draw(t, "stage"), Error: rapid.String().Draw(t, "error"), Changes: []string{rapid.String().Draw(t, "change")},
			Elapsed: time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "elapsed")),
		}
		line, err := json.Marshal(journalLine{record, record.Elapsed.Seconds()})
		if err != nil || bytes.ContainsAny(line, "\n\r") {
			t.Fatalf("%s, %v", line, err)
		}
		if got, ok := parseRecord(line); !ok || !cmp.Equal(got, record) {
			t.Fatal(ok, cmp.Diff(record, got))
		}
	})
}

func TestJournalThatIsNotThereIsEmpty(t *testing.T) {
	journal := openJournal(t)
	if log, err := journal.Read(); err != nil || len(log.Records)+len(log.Damaged) > 0 {
		t.Errorf("%+v, %v", log, err)
	}
	if _, err := os.Stat(filepath.Dir(journal.Path())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading has made the folder: %v", err)
	}
}

func TestDamagedLinesAreNumberedAndPassedOver(t *testing.T) {
	journal := openJournal(t)
	good := func(run string) string { return `{"run":"` + run + `","verb":"apply","status":"done"}` }
	lines := []string{good("1"), `{"run":"2","sta`, "", good("3"), "\x00\x00\x00", `{"other":"thing"}`, `[]`, good("8"), `{"run":"9"`}
	if err := os.MkdirAll(filepath.Dir(journal.Path()), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(journal.Path(), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		log, err := journal.Read()
		var runs []string
		for _, record := range log.Records {
			runs = append(runs, record.Run)
		}
		if err != nil || !slices.Equal(runs[:3], []string{"1", "3", "8"}) || !slices.Equal(log.Damaged, []int{2, 5, 6, 7, 9}) {
			t.Fatalf("%v, damaged %v, %v", runs, log.Damaged, err)
		}
		if err := journal.Append(Record{Run: "10", Status: StatusStarted}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJournalIsNoFile(t *testing.T) {
	if _, err := OpenJournal(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("%v", err)
	}
}

func TestNothingIsDoneThatIsNotRecorded(t *testing.T) {
	full := func(*os.File, []byte) error {
		return &os.PathError{Op: "write", Path: "journal.jsonl", Err: syscall.ENOSPC}
	}
	for _, c := range []struct {
		fullAt  int // the write that finds the disk full
		applied []string
		says    string
	}{
		{1, nil, "the journal cannot be written; nothing is done that is not recorded: write journal.jsonl: no space left on device"},
		{2, nil, "the journal cannot be written; nothing is done that is not recorded: write journal.jsonl: no space left on device"},
		{3, []string{"a"}, "the journal cannot be written; nothing is done that is not recorded: write journal.jsonl: no space left on device"},
		{4, []string{"a"}, "the journal cannot be written; nothing is done that is not recorded: write journal.jsonl: no space left on device"},
		{5, []string{"a", "b"}, "b is broken: it is; then the journal cannot be written; nothing is done that is not recorded: write journal.jsonl: no space left on device"},
	} {
		var applied []string
		stage := func(name string, err error) Stage {
			return &scripted{changes: true, apply: func(context.Context, Reporter) error { applied = append(applied, name); return err }}
		}
		engine := scriptedEngine(t, nil,
			Node{Name: "a", Stage: stage("a", nil)},
			Node{Name: "b", Needs: []string{"a"}, Stage: stage("b", &problem.Error{What: "b is broken", Cause: errors.New("it is")})},
			Node{Name: "c", Needs: []string{"a"}, Stage: stage("c", nil)})
		engine.Parallelism = 1
		writes := 0
		engine.Journal.write = func(file *os.File, data []byte) error {
			if writes++; writes >= c.fullAt {
				return full(file, data)
			}
			return writeSynced(file, data)
		}
		_, err := engine.Up(t.Context(), Selection{})
		p := problem.From(err)
		if p == nil || p.Error() != c.says || p.Next != "free some space on the disk of "+engine.Journal.Path()+", then run the command again" {
			t.Errorf("full at write %d: %v, next %q", c.fullAt, err, p.Next)
		}
		if !slices.Equal(applied, c.applied) {
			t.Errorf("full at write %d: applied %v, want %v", c.fullAt, applied, c.applied)
		}
	}
}

func TestChangesInARecordStayShort(t *testing.T) {
	var changes []Change
	for i := range 50 {
		changes = append(changes, Change{Action: ActionCreate, Object: fmt.Sprintf("topic %d", i), Detail: strings.Repeat("ä", 300)})
	}
	lines := summaries(changes)
	if len(lines) != 21 || lines[20] != "and 30 more" || len([]rune(lines[0])) != shownRunes || !strings.HasSuffix(lines[0], "ä…") {
		t.Errorf("%d lines, first %q, last %q", len(lines), lines[0], lines[len(lines)-1])
	}
}

// What is learned backward, from no more than the end, is what all records say
// when they are read forward.
func TestPastIsThatOfAllRecords(t *testing.T) {
	journal := openJournal(t)
	journal.write = func(file *os.File, data []byte) error { _, err := file.Write(data); return err }
	stages := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		_ = journal.Close()
		_ = os.Remove(journal.Path())
		want := make(past)
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			record := Record{
				Run: "1", Stage: rapid.SampledFrom([]string{"a", "b", "c", "", "no longer there"}).Draw(t, "stage"),
				Verb:        rapid.SampledFrom([]Verb{VerbApply, VerbDestroy, VerbPlan}).Draw(t, "verb"),
				Status:      rapid.SampledFrom([]Status{StatusStarted, StatusDone, StatusFailed, StatusCancelled}).Draw(t, "status"),
				Fingerprint: rapid.SampledFrom([]string{"", "f1", "f2"}).Draw(t, "fingerprint"),
			}
			if err := journal.Append(record); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(stages, record.Stage) || record.Verb == VerbPlan {
				continue
			}
			last := want[record.Stage]
			last.known, last.verb, last.status = true, record.Verb, record.Status
			if record.Verb == VerbDestroy {
				last.fingerprint = ""
			} else if record.Status == StatusDone {
				last.fingerprint = record.Fingerprint
			}
			want[record.Stage] = last
		}
		got, err := journal.past(stages)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(stagePast{})); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	})
}

// 100,000 records are many years of daily use: what a run must know of them
// takes a few milliseconds, and all of them less than a second.
func BenchmarkJournalOf100k(b *testing.B) {
	journal := openJournal(b)
	journal.write = func(file *os.File, data []byte) error { _, err := file.Write(data); return err }
	stages := strings.Split("abcdefgh", "")
	for i := range 100_000 {
		record := Record{
			Time: time.Now().UTC(), Run: fmt.Sprintf("20260301-%06d-c0ffee", i/18), Env: "local", Who: "ada@laptop", Command: "gmctl up",
			Stage: stages[i%8], Verb: VerbApply, Status: StatusDone, Changes: []string{"start it (loopback only)"}, Elapsed: time.Second,
		}
		if err := journal.Append(record); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("past", func(b *testing.B) {
		for b.Loop() {
			if known, err := journal.past(stages); err != nil || len(known) != len(stages) {
				b.Fatal(known, err)
			}
		}
	})
	b.Run("history", func(b *testing.B) {
		for b.Loop() {
			if log, err := journal.Read(); err != nil || len(log.Runs(Filter{})) != 5556 {
				b.Fatal(len(log.Runs(Filter{})), err)
			}
		}
	})
}
