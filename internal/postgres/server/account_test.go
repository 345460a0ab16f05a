//go:build unix

package server_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gamemetrics/gmctl/internal/postgres/server"
)

// nobody is the number of an unprivileged user and group on every system.
const nobody = 65534

// What a normal user sees is tested by root too, as the user nobody. Not in
// parallel: a process forked while the program is copied would keep it busy.
func TestANormalUserRunsPostgreSQLAsHimself(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("every test that a normal user runs is this one")
	}
	cfg := newConfig(t)
	dir := filepath.Dir(cfg.DataDir)
	program := filepath.Join(dir, "supervisor")
	copyFile(t, os.Args[0], program)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	supervisor := newSupervisor(t, cfg, func(cmd *exec.Cmd) {
		cmd.Path, cmd.Dir = program, dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	})
	pid := supervisor.await("ready:")
	if runtime.GOOS == "linux" {
		info, err := os.Stat("/proc/" + pid)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != nobody {
			t.Errorf("PostgreSQL runs as uid %d", owner)
		}
	}
	if err := supervisor.end(); err != nil {
		t.Fatal(err)
	}
	supervisor.await("stopped")

	// Root leaves a user's data the user's.
	s := start(t, cfg)
	info, err := os.Stat("/proc/" + strconv.Itoa(s.Status().PID))
	if runtime.GOOS == "linux" && (err != nil || info.Sys().(*syscall.Stat_t).Uid != nobody) {
		t.Errorf("root runs PostgreSQL over a user's data as another: %v", err)
	}
}

func TestRootsDataIsWhereItsServerCanReachIt(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	open, closed := openDir(t), openDir(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	withData := filepath.Join(closed, "old", "postgres")
	if err := os.MkdirAll(withData, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(withData, "PG_VERSION"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		root      bool
		preferred string
		moved     bool
	}{
		"in an open directory":             {true, filepath.Join(open, "gmctl", "local", "postgres"), false},
		"in a closed directory":            {true, filepath.Join(closed, "gmctl", "local", "postgres"), true},
		"in a closed directory, with data": {true, withData, false},
		"of a normal user":                 {false, filepath.Join(closed, "gmctl", "local", "postgres"), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := server.DataDirFor(test.root, test.preferred)
			if err != nil {
				t.Fatal(err)
			}
			if moved := got != test.preferred; moved != test.moved {
				t.Errorf("DataDirFor(%v, %s) = %s", test.root, test.preferred, got)
			}
			if test.moved && !strings.HasPrefix(got, "/var/lib/gmctl/") {
				t.Errorf("moved to %s", got)
			}
		})
	}
}

// Not in parallel: the umask is the whole process's.
func TestADownloadCanBeRunByOthersWhateverTheUmask(t *testing.T) {
	newRepository(t)
	cache := filepath.Join(openDir(t), "cache")
	umask := syscall.Umask(0o077)
	found, err := server.Downloaded(t.Context(), 17, cache, nil)
	syscall.Umask(umask)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{cache, filepath.Dir(found.Dir), found.Dir, filepath.Join(found.Dir, "postgres")} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o005 != 0o005 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
}

func TestAClosedParentIsNamed(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	cfg := newConfig(t)
	closed := filepath.Dir(cfg.DataDir)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	p := refused(t, cfg)
	wantIn(t, p.Error(), closed, "postgres")
	wantIn(t, p.Next, "chmod o+x "+closed)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(target, source); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
}
