package local

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gofrs/flock"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv"
)

type quiet struct{}

func (quiet) Report(engine.Update) {}

func newDirs(t *testing.T) paths.Dirs {
	t.Helper()
	root := t.TempDir()
	dirs := paths.Dirs{State: filepath.Join(root, "state"), Data: filepath.Join(root, "data"), Cache: filepath.Join(root, "cache")}
	if err := dirs.Make(); err != nil {
		t.Fatal(err)
	}
	return dirs
}

// supervise holds the lock of dirs, as a supervisor does for as long as it lives.
func supervise(t *testing.T, dirs paths.Dirs) (end func()) {
	t.Helper()
	lock := flock.New(lockPath(dirs))
	if held, err := lock.TryLock(); err != nil || !held {
		t.Fatalf("held %v, %v", held, err)
	}
	end = func() {
		if err := lock.Unlock(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	return end
}

func TestAliveIsWhoHoldsTheLock(t *testing.T) {
	dirs := newDirs(t)
	client := NewClient(dirs)
	expect := func(when string, want bool) {
		t.Helper()
		if alive, err := client.Alive(); err != nil || alive != want {
			t.Errorf("%s alive is %v, %v", when, alive, err)
		}
	}
	expect("without any file", false)
	if _, err := os.Stat(lockPath(dirs)); err == nil {
		t.Error("looking made the lock file")
	}
	end := supervise(t, dirs)
	expect("with a supervisor", true)
	end()
	expect("after the supervisor", false)

	// An old record with the process id of something that lives misleads no one.
	if err := (record{PID: os.Getpid(), Control: "http://127.0.0.1:1", Token: "t"}).save(dirs); err != nil {
		t.Fatal(err)
	}
	expect("with an old record", false)
	if _, err := client.Snapshot(t.Context(), false); !errors.Is(err, ErrNotRunning) {
		t.Errorf("the snapshot of what does not run: %v", err)
	}
	if err := client.Stop(t.Context(), Kafka, quiet{}); err != nil {
		t.Errorf("stopping what does not run: %v", err)
	}
}

func TestWhoHoldsTheLockAndDoesNotAnswerIsNamed(t *testing.T) {
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	dirs := newDirs(t)
	supervise(t, dirs)
	if err := (record{PID: os.Getpid(), Control: "http://127.0.0.1:" + strconv.Itoa(port)}).save(dirs); err != nil {
		t.Fatal(err)
	}
	_, err = NewClient(dirs).Snapshot(t.Context(), false)
	if !errors.Is(err, ErrNoAnswer) {
		t.Errorf("asking it: %v", err)
	}
	refuse(t, err, "process "+strconv.Itoa(os.Getpid())+", does not answer", "gmctl up")
}

func TestProveGone(t *testing.T) {
	dirs := newDirs(t)
	client := NewClient(dirs)
	postgres := t.TempDir()
	if err := client.ProveGone(postgres); err != nil {
		t.Errorf("where nothing ever was: %v", err)
	}
	if err := (record{PID: 7}).save(dirs); err != nil {
		t.Fatal(err)
	}
	end := supervise(t, dirs)
	refuse(t, client.ProveGone(postgres), "process 7, still runs", "gmctl teardown")
	end()

	left := workIn(t, postgres)
	refuse(t, client.ProveGone(postgres), "PostgreSQL still works in "+postgres, "gmctl teardown")
	left()
	if err := client.ProveGone(postgres); err != nil {
		t.Errorf("nothing is left, and yet: %v", err)
	}
}

// workIn has a process that is called postgres work in dir, as PostgreSQL does,
// until it is ended.
func workIn(t *testing.T, dir string) (end func()) {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "postgres")
	content, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, content, 0o700); err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(t.Context(), program, "60")
	process.Dir = dir
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	}
}

func refuse(t *testing.T, err error, what, next string) {
	t.Helper()
	if p, ok := errors.AsType[*problem.Error](err); !ok || !strings.Contains(p.What, what) || !strings.Contains(p.Next, next) {
		t.Errorf("the error is %v, want %q and %q", err, what, next)
	}
}
