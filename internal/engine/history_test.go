package engine

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// story is a journal of three runs: one that was killed in kafka, one that
// failed in it, and one that is at work.
func story() Log {
	var log Log
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tell := func(run, stage string, status Status, elapsed time.Duration, more ...string) {
		at = at.Add(time.Second)
		record := Record{Time: at, Run: run, Env: "local", Who: "ada@laptop", Command: "gmctl up", Stage: stage, Verb: VerbApply, Status: status, Elapsed: elapsed}
		switch status {
		case StatusStarted:
			record.Changes = more
		case StatusFailed:
			record.Error = strings.Join(more, "")
		case StatusDone:
			if stage == "" {
				record.Changes = more
			}
		}
		log.Records = append(log.Records, record)
	}
	tell("r1", "", StatusStarted, 0)
	tell("r1", "kafka", StatusStarted, 0, "start kafka")
	tell("r2", "", StatusStarted, 0)
	tell("r2", "kafka", StatusStarted, 0, "start kafka")
	tell("r2", "postgres", StatusStarted, 0, "start postgres")
	tell("r2", "kafka", StatusFailed, 2*time.Second, "port 9092 is taken")
	tell("r2", "postgres", StatusDone, 2*time.Second)
	tell("r2", "", StatusFailed, 5*time.Second, "port 9092 is taken")
	tell("r3", "", StatusStarted, 0)
	tell("r3", "kafka", StatusStarted, 0, "start kafka")
	return log
}

func TestRuns(t *testing.T) {
	var got []string
	for _, run := range story().Runs(Filter{}) {
		got = append(got, fmt.Sprintf("%s %s %s %s %s %s", run.ID, run.Command, run.Started.Format(time.TimeOnly), run.Status, run.Elapsed, run.Error))
		for _, s := range run.Stages {
			got = append(got, fmt.Sprintf("  %s %s %s %s %v %s", s.Stage, s.Started.Format(time.TimeOnly), s.Status, s.Elapsed, s.Changes, s.Error))
		}
	}
	want := []string{
		"r1 gmctl up 12:00:01 killed 1s ",
		"  kafka 12:00:02 killed 0s [start kafka] ",
		"r2 gmctl up 12:00:03 failed 5s port 9092 is taken",
		"  kafka 12:00:04 failed 2s [start kafka] port 9092 is taken",
		"  postgres 12:00:05 done 2s [start postgres] ",
		"r3 gmctl up 12:00:09 started 0s ",
		"  kafka 12:00:10 started 0s [start kafka] ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRunsFiltered(t *testing.T) {
	for name, c := range map[string]struct {
		filter Filter
		want   string
	}{
		"all":              {Filter{}, "r1:kafka r2:kafka,postgres r3:kafka"},
		"by run":           {Filter{Run: "r2"}, "r2:kafka,postgres"},
		"by how it begins": {Filter{Run: "r"}, "r1:kafka r2:kafka,postgres r3:kafka"},
		"by stage":         {Filter{Stage: "postgres"}, "r2:postgres"},
		"since":            {Filter{Since: time.Date(2026, 3, 1, 12, 0, 3, 0, time.UTC)}, "r2:kafka,postgres r3:kafka"},
		"none":             {Filter{Run: "r2", Stage: "relay"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, run := range story().Runs(c.filter) {
				var stages []string
				for _, stage := range run.Stages {
					stages = append(stages, stage.Stage)
				}
				got = append(got, run.ID+":"+strings.Join(stages, ","))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestRealRunsInHistory(t *testing.T) {
	w, path := newWorld(t, need("a"), need("b", "a")), filepath.Join(t.TempDir(), "journal")
	w.faults = map[string]fault{"b": failsToPlan}
	first, _, _ := w.up(t, path, Selection{})
	w.begin()
	w.killAt = 2 // the record that a Destroy starts
	_, _, _ = w.walk(t, path, VerbDestroy, Selection{}, 1)
	w.begin()
	last, _, err := w.up(t, path, Selection{})
	if err != nil {
		t.Fatal(err)
	}
	log, err := w.journal(t, path).Read()
	if err != nil {
		t.Fatal(err)
	}
	want := []Run{
		{ID: first.Run, Verb: VerbApply, Status: StatusFailed, Changes: []string{"1 changed", "1 failed"}, Error: "stage b could not be planned: cannot look", Stages: []StageRun{
			{Stage: "a", Verb: VerbApply, Status: StatusDone, Fingerprint: "v1", Changes: []string{"update a"}},
			{Stage: "b", Verb: VerbPlan, Status: StatusFailed, Error: "stage b could not be planned: cannot look"},
		}},
		{Verb: VerbDestroy, Status: StatusKilled},
		{ID: last.Run, Verb: VerbApply, Status: StatusDone, Changes: []string{"1 changed", "1 unchanged"}, Stages: []StageRun{
			{Stage: "b", Verb: VerbApply, Status: StatusDone, Fingerprint: "v1", Changes: []string{"update b"}},
		}},
	}
	got := log.Runs(Filter{})
	for i := range got {
		if got[i].Env != "test" || got[i].Who != "tester@host" || !strings.HasPrefix(got[i].Command, "gmctl ") || got[i].Started.IsZero() {
			t.Errorf("%+v", got[i])
		}
		if want[i].ID == "" {
			want[i].ID = got[i].ID
		}
	}
	ignore := []cmp.Option{
		cmpopts.IgnoreFields(Run{}, "Env", "Who", "Command", "Started", "Elapsed"), cmpopts.IgnoreUnexported(Run{}),
		cmpopts.IgnoreFields(StageRun{}, "Started", "Elapsed"), cmpopts.EquateEmpty(),
	}
	if diff := cmp.Diff(want, got, ignore...); diff != "" {
		t.Error(diff)
	}
}
