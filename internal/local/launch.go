package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Launch starts a supervisor for spec in the background and returns when it
// answers. It outlives the caller.
func Launch(ctx context.Context, spec Spec) error {
	path, err := spec.Save()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(LogsDir(spec.Dirs), 0o700); err != nil {
		return err
	}
	// what the supervisor prints before its log is open, and a crash's stack
	output, err := os.OpenFile(filepath.Join(LogsDir(spec.Dirs), "supervisor.out"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	command := exec.Command(self, "serve", "local", "--spec", path)
	command.Stdout, command.Stderr = output, output
	command.Dir = spec.Dirs.State
	if err := detach(command); err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return &problem.Error{What: "the supervisor did not start", Cause: err, Next: "gmctl doctor"}
	}
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }() // ends with the supervisor or with us

	client := NewClient(spec.Dirs)
	for {
		if snapshot, err := client.Snapshot(ctx, false); err == nil && snapshot.PID == command.Process.Pid {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-exited:
			// one that a killed gmctl had just launched may have been quicker
			if snapshot, snapshotErr := client.Snapshot(ctx, false); snapshotErr == nil && snapshot.SpecHash == spec.Hash() {
				return nil
			}
			return &problem.Error{What: "the supervisor ended as it started", Cause: lastWords(output, err), Next: "gmctl doctor; gmctl logs supervisor"}
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// lastWords returns what a process printed at its end, or how it ended.
func lastWords(output io.ReadSeeker, exit error) error {
	const enough = 2048
	if _, err := output.Seek(0, io.SeekStart); err == nil {
		if text, err := io.ReadAll(io.LimitReader(output, enough)); err == nil && strings.TrimSpace(string(text)) != "" {
			return errors.New(strings.TrimSpace(string(text)))
		}
	}
	if exit == nil {
		return errors.New("it exited with 0")
	}
	return fmt.Errorf("it exited: %w", exit)
}
