package local

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gofrs/flock"

	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv"
)

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
	if err := client.Stop(t.Context(), Kafka); err != nil {
		t.Errorf("stopping what does not run: %v", err)
	}
}

func TestProveGone(t *testing.T) {
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	dirs := newDirs(t)
	client := NewClient(dirs)
	if err := client.ProveGone(); err != nil {
		t.Errorf("where nothing ever was: %v", err)
	}
	if err := (record{PID: 7, Ports: map[string]int{Kafka: port}}).save(dirs); err != nil {
		t.Fatal(err)
	}

	end := supervise(t, dirs)
	refuse(t, client.ProveGone(), "process 7, still runs", "gmctl teardown")
	end()

	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, client.ProveGone(), "still listens on port "+strconv.Itoa(port)+", which kafka had", "ss -ltnp")
	listener.Close()

	if err := client.ProveGone(); err != nil {
		t.Errorf("nothing is left, and yet: %v", err)
	}
	occupy(t, port) // by someone else, later
	if err := client.ProveGone(); err != nil {
		t.Errorf("its end was proved, and yet: %v", err)
	}

	if err := os.WriteFile(recordPath(dirs), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := client.ProveGone(); err == nil || !strings.Contains(err.Error(), recordPath(dirs)) {
		t.Errorf("a record that cannot be read proves nothing: %v", err)
	}
}

func refuse(t *testing.T, err error, what, next string) {
	t.Helper()
	if p, ok := errors.AsType[*problem.Error](err); !ok || !strings.Contains(p.What, what) || !strings.Contains(p.Next, next) {
		t.Errorf("the error is %v, want %q and %q", err, what, next)
	}
}
