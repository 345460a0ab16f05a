//go:build unix

package doctor

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func fileLimit() (uint64, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return uint64(limit.Max), err //nolint:unconvert // signed on some systems; a Go program raises its own to the maximum
}

// writable asks the system whether path, or the nearest parent that exists, may
// be written. A file system that is mounted read-only may not.
func writable(path string) error {
	there := existing(path)
	if info, err := os.Stat(there); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", there)
	}
	if err := unix.Access(there, unix.W_OK|unix.X_OK); err != nil {
		return &os.PathError{Op: "write", Path: filepath.Clean(there), Err: err}
	}
	return nil
}
