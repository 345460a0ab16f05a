package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// EndLeftovers ends the processes that an earlier server of the data directory
// left behind, and removes a lock file that PostgreSQL itself would wrongly obey:
// one whose number belongs to another process by now, as after a reboot. Start
// does so; who chooses a port for it does so before, because the earlier server
// may still hold the one it had.
func EndLeftovers(ctx context.Context, dataDir string, report func(string)) error {
	if report == nil {
		report = func(string) {}
	}
	file, readErr := readPIDFile(dataDir)
	if errors.Is(readErr, fs.ErrNotExist) {
		return nil // the last server stopped in order
	}
	if readErr == nil && worksIn(file.PID, dataDir) {
		report(fmt.Sprintf("stopping the PostgreSQL that an earlier gmctl left (pid %d)", file.PID))
		if err := endPostmaster(ctx, file.PID, dataDir); err != nil {
			return err
		}
	}
	if err := endBackends(ctx, dataDir, report); err != nil {
		return err
	}
	if readErr == nil && !alive(ctx, file.PID) {
		return nil // PostgreSQL itself looks closer at the lock file of a dead one
	}
	// What cannot be read is of a server that was killed while it wrote it.
	if err := os.Remove(pidFilePath(dataDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return problemOf("the lock file of a dead PostgreSQL cannot be removed", err)
	}
	return nil
}

func alive(ctx context.Context, pid int) bool {
	exists, err := process.PidExistsWithContext(ctx, int32(pid))
	return exists && err == nil
}

// endPostmaster stops a server that is not a child of this process.
func endPostmaster(ctx context.Context, pid int, dataDir string) error {
	for _, step := range []struct {
		signal os.Signal
		wait   time.Duration
	}{{fast, fastShutdown}, {immediate, immediateShutdown}} {
		if err := signalPID(pid, step.signal); err != nil {
			return problemOf(fmt.Sprintf("the PostgreSQL of an earlier gmctl (pid %d) cannot be stopped", pid), err)
		}
		gone, err := await(ctx, step.wait, func() bool { return !worksIn(pid, dataDir) })
		if gone || err != nil {
			return err
		}
	}
	return &problem.Error{
		What: fmt.Sprintf("the PostgreSQL of an earlier gmctl (pid %d) does not stop", pid),
		Next: fmt.Sprintf("look at what it does: ps -fp %d; if nothing else helps, run: kill -9 %d", pid, pid),
	}
}

// endBackends ends the server processes of a postmaster that is gone. They
// notice its death themselves, unless they are in the middle of something long;
// the data they did not commit is lost with them either way.
func endBackends(ctx context.Context, dataDir string, report func(string)) error {
	none := func() bool { return len(processesIn(dataDir)) == 0 }
	if gone, err := await(ctx, time.Second, none); gone || err != nil {
		return err
	}
	for _, signal := range []os.Signal{immediate, os.Kill} {
		left := processesIn(dataDir)
		report(fmt.Sprintf("ending %d processes of a killed PostgreSQL", len(left)))
		for _, pid := range left {
			if err := signalPID(pid, signal); err != nil {
				return problemOf(fmt.Sprintf("a process of a killed PostgreSQL (pid %d) cannot be ended", pid), err)
			}
		}
		if gone, err := await(ctx, immediateShutdown, none); gone || err != nil {
			return err
		}
	}
	return &problem.Error{
		What: fmt.Sprintf("processes of a killed PostgreSQL do not end: %v", processesIn(dataDir)),
		Next: "restart the machine: the system does not let go of them",
	}
}

// await polls until the condition holds or the time is over. The error is ctx's.
func await(ctx context.Context, most time.Duration, holds func() bool) (bool, error) {
	const interval = 5 * time.Millisecond
	deadline := time.Now().Add(most)
	for {
		if holds() {
			return true, nil
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(interval):
		}
	}
}

// worksIn reports whether pid is a PostgreSQL process of the data directory:
// every one of them works in it. A zombie works nowhere.
func worksIn(pid int, dataDir string) bool {
	p := &process.Process{Pid: int32(pid)}
	dir, err := p.Cwd()
	if err != nil || !sameDir(strings.TrimSuffix(dir, " (deleted)"), dataDir) {
		return false
	}
	name, err := p.Name()
	return err == nil && strings.HasPrefix(name, "postgres")
}

// processesIn lists the PostgreSQL processes of the data directory.
func processesIn(dataDir string) []int {
	pids, err := process.Pids()
	if err != nil {
		return nil
	}
	var found []int
	for _, pid := range pids {
		if worksIn(int(pid), dataDir) {
			found = append(found, int(pid))
		}
	}
	slices.Sort(found)
	return found
}

// ProcessesOf lists the PostgreSQL processes that work in the data directory,
// whoever started them, for those who must prove that none is left.
func ProcessesOf(dataDir string) []int { return processesIn(dataDir) }

func sameDir(a, b string) bool {
	resolve := func(path string) string {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
		return filepath.Clean(path)
	}
	return filepath.Clean(a) == filepath.Clean(b) || resolve(a) == resolve(b)
}
