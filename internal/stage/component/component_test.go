package component_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/local"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/stage/component"
)

// destroyData makes the test binary a program that destroys the component whose
// state and data directories it names, to be killed half-way.
const destroyData = "GMCTL_TEST_DESTROY"

func TestMain(m *testing.M) {
	if root := os.Getenv(destroyData); root != "" {
		if err := newStage(root, component.Options{}).Destroy(context.Background(), quiet{}); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type quiet struct{}

func (quiet) Report(engine.Update) {}

// newStage returns a component below root that keeps data there, and whose
// supervisor does not run.
func newStage(root string, options component.Options) engine.Stage {
	dirs := paths.Dirs{State: filepath.Join(root, "state"), Data: filepath.Join(root, "data")}
	options.Name, options.Data = "thing", []string{data(root)}
	return component.New(local.NewClient(dirs), options)
}

func data(root string) string   { return filepath.Join(root, "data", "thing") }
func doomed(root string) string { return data(root) + ".deleting" }

// fill makes a directory of n files of one byte.
func fill(t *testing.T, dir string, n int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// killedDestroy destroys the component's data in another process, and kills it
// half-way.
func killedDestroy(t *testing.T) (root string) {
	t.Helper()
	for files := 2000; files < 200_000; files *= 3 { // until deleting them takes longer than noticing it
		root = t.TempDir()
		fill(t, data(root), files)
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), destroyData+"="+root)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); !there(doomed(root)) && time.Now().Before(deadline); {
			time.Sleep(100 * time.Microsecond)
		}
		_ = command.Process.Kill()
		_ = command.Wait()
		if there(doomed(root)) {
			return root
		}
	}
	t.Fatal("no Destroy was caught half-way")
	return ""
}

// A Destroy that is killed half-way leaves nothing under the name that is relied
// on, and the rest under a name that the next Destroy, teardown that keeps data,
// or Apply removes.
func TestAKilledDestroyIsFinished(t *testing.T) {
	for name, finish := range map[string]func(t *testing.T, root string){
		"by the next Destroy": func(t *testing.T, root string) {
			s := newStage(root, component.Options{})
			if got := planned(t, s, engine.GoalAbsent); len(got) != 1 || got[0].Action != engine.ActionDelete || got[0].Detail != doomed(root) {
				t.Errorf("the plan is %+v", got)
			}
			if err := s.Destroy(t.Context(), quiet{}); err != nil {
				t.Error(err)
			}
		},
		"by one that keeps data": func(t *testing.T, root string) {
			s := newStage(root, component.Options{KeepData: true})
			if got := planned(t, s, engine.GoalAbsent); len(got) != 1 || got[0].Action != engine.ActionDelete {
				t.Errorf("the plan is %+v", got)
			}
			if err := s.Destroy(t.Context(), quiet{}); err != nil {
				t.Error(err)
			}
		},
		"by the next Apply": func(t *testing.T, root string) {
			s := newStage(root, component.Options{})
			if got := planned(t, s, engine.GoalPresent); len(got) != 2 || got[0].Action != engine.ActionCreate || got[1].Action != engine.ActionStart {
				t.Errorf("the plan is %+v", got)
			}
			if err := s.Apply(t.Context(), quiet{}); !errors.Is(err, local.ErrNotRunning) {
				t.Errorf("without a supervisor it ended with %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := killedDestroy(t)
			if there(data(root)) {
				t.Error("half of the data is there under its own name")
			}
			finish(t, root)
			if there(doomed(root)) {
				t.Error("what the killed Destroy left is still there")
			}
			if got := planned(t, newStage(root, component.Options{}), engine.GoalAbsent); len(got) > 0 {
				t.Errorf("the plan to remove what is gone is %+v", got)
			}
		})
	}
}

// New data beside what a killed Destroy left goes with it.
func TestDestroyTakesBoth(t *testing.T) {
	root := t.TempDir()
	fill(t, data(root), 3)
	fill(t, doomed(root), 2)
	if err := newStage(root, component.Options{}).Destroy(t.Context(), quiet{}); err != nil {
		t.Fatal(err)
	}
	if there(data(root)) || there(doomed(root)) {
		t.Error("something is left")
	}
	if err := newStage(root, component.Options{}).Destroy(t.Context(), quiet{}); err != nil {
		t.Errorf("destroying what is gone: %v", err)
	}
}

func TestKeptDataStays(t *testing.T) {
	root := t.TempDir()
	fill(t, data(root), 1536)
	s := newStage(root, component.Options{KeepData: true})
	want := []engine.Change{{Action: engine.ActionKeep, Object: "data of thing", Detail: data(root), Holds: "1.50 KiB"}}
	if got := planned(t, s, engine.GoalAbsent); !slices.Equal(got, want) {
		t.Errorf("the plan is %+v", got)
	}
	if err := s.Destroy(t.Context(), quiet{}); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(data(root)); err != nil || len(entries) != 1536 {
		t.Errorf("%d files are left, %v", len(entries), err)
	}
}

func TestCheckWithoutASupervisor(t *testing.T) {
	health, err := newStage(t.TempDir(), component.Options{}).Check(t.Context())
	if err != nil || health.State != engine.StateAbsent {
		t.Errorf("it is %+v, %v", health, err)
	}
}

func planned(t *testing.T, s engine.Stage, goal engine.Goal) []engine.Change {
	t.Helper()
	plan, err := s.Plan(t.Context(), goal)
	if err != nil {
		t.Fatal(err)
	}
	return plan.Changes
}
