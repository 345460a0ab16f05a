package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// hold makes its process the only supervisor of an environment. The lock in the
// state directory is what others look for. The one in the data directory keeps a
// second supervisor from the data when the state directory, and the first lock
// with it, was deleted while the first supervisor ran.
type hold struct {
	locks []*flock.Flock
	files []fs.FileInfo // of the locks, as they were taken
}

func dataLockPath(dirs paths.Dirs) string { return filepath.Join(dirs.Data, "supervisor.lock") }

// takeHold waits for a moment for the environment: who only looks whether it has
// a supervisor (Client.Alive) holds the lock for an instant. It waits longer for
// its data, which a supervisor that lost its hold is about to leave.
func takeHold(ctx context.Context, spec Spec) (*hold, error) {
	const moment = 250 * time.Millisecond
	if err := spec.Dirs.Make(); err != nil {
		return nil, err
	}
	h := &hold{}
	for _, lock := range []struct {
		path     string
		patience time.Duration
	}{{lockPath(spec.Dirs), moment}, {dataLockPath(spec.Dirs), stopGrace}} {
		if err := h.take(ctx, spec.Env, lock.path, lock.patience); err != nil {
			return nil, errors.Join(err, h.release())
		}
	}
	return h, nil
}

func (h *hold) take(ctx context.Context, env, path string, patience time.Duration) error {
	const pause = time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lock := flock.New(path)
	_, err := lock.TryLockContext(ctx, pause)
	if errors.Is(err, context.DeadlineExceeded) {
		return &problem.Error{
			What: "a supervisor of the environment " + env + " runs already", Kind: problem.Locked,
			Next: "see how it is: gmctl status",
		}
	}
	if err != nil {
		return fmt.Errorf("lock the environment: %w", err)
	}
	h.locks = append(h.locks, lock)
	file, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("lock the environment: %w", err)
	}
	h.files = append(h.files, file)
	return nil
}

// lost returns why the hold is one no more: a lock that nobody finds keeps nobody
// away.
func (h *hold) lost() error {
	for i, lock := range h.locks {
		now, err := os.Stat(lock.Path())
		if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, h.files[i]) {
			return fmt.Errorf("%s was deleted", filepath.Dir(lock.Path()))
		}
	}
	return nil
}

// watch calls lose once if the hold is lost, until ctx ends.
func (h *hold) watch(ctx context.Context, lose func(error)) {
	const look = 250 * time.Millisecond
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(look):
		}
		if err := h.lost(); err != nil {
			lose(err)
			return
		}
	}
}

func (h *hold) release() error {
	var errs []error
	for _, lock := range h.locks {
		errs = append(errs, lock.Unlock())
	}
	return errors.Join(errs...)
}

// awaitDataLeft waits until no supervisor works on the data, not even one whose
// state directory was deleted. It gives up after stopGrace, with a problem.
func awaitDataLeft(ctx context.Context, dirs paths.Dirs) error {
	const pause = 10 * time.Millisecond
	for deadline := time.Now().Add(stopGrace); ; {
		held, err := isHeld(dataLockPath(dirs))
		if err != nil || !held {
			return err
		}
		if time.Now().After(deadline) {
			return stillWorks(dirs)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func stillWorks(dirs paths.Dirs) error {
	return &problem.Error{
		What: "another supervisor still works in " + dirs.Data,
		Next: "find it with ps -ef | grep 'gmctl serve local', end it, and run: gmctl teardown",
	}
}

// isHeld reports whether a process holds the lock at path.
func isHeld(path string) (bool, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	lock := flock.New(path)
	free, err := lock.TryRLock()
	if err != nil {
		return false, fmt.Errorf("look at the supervisor's lock: %w", err)
	}
	if free {
		return false, lock.Unlock()
	}
	return true, nil
}
