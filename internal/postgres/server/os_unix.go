//go:build unix

package server

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// PostgreSQL's shutdown modes, as signals to the postmaster.
const (
	fast      = syscall.SIGINT  // disconnect clients, write a checkpoint
	immediate = syscall.SIGQUIT // as a crash: the next start recovers
)

func platformSupported() error { return nil }

func signalPID(pid int, signal os.Signal) error {
	err := syscall.Kill(pid, signal.(syscall.Signal))
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

func isErrno(err error, errno syscall.Errno) bool { return errors.Is(err, errno) }

// lockDir takes the exclusive lock of a directory, which dies with this
// process. It waits for as long as ctx lasts.
func lockDir(ctx context.Context, path string) (unlock func(), err error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { dir.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			dir.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			dir.Close()
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
