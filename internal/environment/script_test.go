//go:build unix

package environment_test

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gamemetrics/gmctl/internal/cli"
	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/script"
)

// The test binary is gmctl itself when a script calls it by that name, and when
// that gmctl starts its supervisor.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "serve" {
		os.Exit(cli.Main())
	}
	testscript.Main(m, map[string]func(){"gmctl": func() { os.Exit(cli.Main()) }})
}

// TestLocal lives with the environment `local` as a user does, from
// testdata/script/*.txtar, with a real PostgreSQL. Besides the commands
// of every script these have
//
//	kill9 supervisor|postgres    ends that process of the environment with SIGKILL
//	suspend supervisor           stops it with SIGSTOP
//	rob postgres                 does the same and takes its port until the script ends
func TestLocal(t *testing.T) {
	cache := t.TempDir()
	_, err := server.Find(t.Context(), "", cache, nil)
	testenv.Require(t, testenv.Postgres, err)
	root := t.TempDir()
	for dir := root; dir != filepath.Dir(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o755) // PostgreSQL's user passes through; not ours to change where it fails
	}
	script.Run(t, testscript.Params{
		Dir:         filepath.Join("testdata", "script"),
		WorkdirRoot: root,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CACHE_HOME", cache)
			home := env.Getenv("HOME")
			env.Defer(func() { endSupervisor(t, home) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"kill9": kill9, "rob": rob, "suspend": suspend},
	})
}

// endSupervisor leaves no process behind a script that failed half-way.
func endSupervisor(t *testing.T, home string) {
	if pid, err := supervisorPID(home); err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil {
		t.Logf("ended the supervisor %d that the script left", pid)
	}
}

func kill9(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: kill9 supervisor|postgres")
	}
	find := map[string]func(string) (int, error){"supervisor": supervisorPID, "postgres": postgresPID}[args[0]]
	pid, err := find(ts.Getenv("HOME"))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
	for deadline := time.Now().Add(10 * time.Second); !ended(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("process %d does not end", pid)
		}
	}
}

func suspend(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "supervisor" {
		ts.Fatalf("usage: suspend supervisor")
	}
	pid, err := supervisorPID(ts.Getenv("HOME"))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGSTOP))
}

func rob(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "postgres" {
		ts.Fatalf("usage: rob postgres")
	}
	var record struct {
		Ports map[string]int `json:"ports"`
	}
	ts.Check(readState(ts.Getenv("HOME"), "supervisor.json", &record))
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(record.Ports["postgres"]))
	pid, err := postgresPID(ts.Getenv("HOME"))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
	for deadline := time.Now().Add(10 * time.Second); ; {
		listener, err := net.Listen("tcp", address)
		if err == nil {
			ts.Defer(func() { _ = listener.Close() })
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s was not to be had: %v", address, err)
		}
	}
}

// ended reports whether the process is gone, or waits as a zombie to be noticed.
func ended(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return syscall.Kill(pid, 0) != nil
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "Z")
}

func supervisorPID(home string) (int, error) {
	var record struct {
		PID int `json:"pid"`
	}
	err := readState(home, "supervisor.json", &record)
	if err == nil && record.PID == 0 {
		err = errors.New("no supervisor has started")
	}
	return record.PID, err
}

func postgresPID(home string) (int, error) {
	var spec struct {
		Postgres string `json:"postgres"`
	}
	if err := readState(home, "spec.json", &spec); err != nil {
		return 0, err
	}
	content, err := os.ReadFile(filepath.Join(spec.Postgres, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(content), "\n")
	return strconv.Atoi(first)
}

func readState(home, name string, into any) error {
	content, err := os.ReadFile(filepath.Join(home, ".local", "state", "gmctl", "local", name))
	if err != nil {
		return err
	}
	return json.Unmarshal(content, into)
}
