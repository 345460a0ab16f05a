//go:build unix

package main

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gamemetrics/gmctl/internal/postgres/server"
)

// bareDatabase returns how long initdb and postgres alone take until
// connections are accepted, with their own defaults: the peer of `gmctl up`.
func bareDatabase(ctx context.Context) (took time.Duration, err error) {
	dir, err := os.MkdirTemp("", "gmctl-bench-pg-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binaries, err := server.Find(ctx, "", dir, nil)
	if err != nil {
		return 0, err
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("bench\n"), 0o600); err != nil {
		return 0, err
	}
	run := asUser(dir)
	data := filepath.Join(dir, "data")
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	initdb := run(exec.CommandContext(ctx, filepath.Join(binaries.Dir, "initdb"), "-D", data, "-A", "scram-sha-256", "-U", "postgres", "--pwfile", password))
	if output, err := initdb.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("initdb: %w\n%s", err, output)
	}
	postgres := run(exec.Command(filepath.Join(binaries.Dir, "postgres"), "-D", data, "-p", strconv.Itoa(port), "-k", "", "-h", "127.0.0.1"))
	if err := postgres.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = postgres.Process.Signal(syscall.SIGINT)
		_ = postgres.Wait()
	}()
	for time.Since(began) < time.Minute {
		content, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
		if err == nil && strings.HasSuffix(strings.TrimSpace(string(content)), "ready") {
			return time.Since(began), nil
		}
		time.Sleep(time.Millisecond)
	}
	return 0, fmt.Errorf("postgres in %s did not become ready", data)
}

// asUser returns what has a command run as a user that PostgreSQL accepts, who
// is given dir.
func asUser(dir string) func(*exec.Cmd) *exec.Cmd {
	if os.Geteuid() != 0 {
		return func(command *exec.Cmd) *exec.Cmd { return command }
	}
	const nobody = 65534
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Chown(path, nobody, nobody)
		}
		return err
	})
	return func(command *exec.Cmd) *exec.Cmd {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return command
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
