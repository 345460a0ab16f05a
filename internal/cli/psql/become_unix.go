//go:build unix

package psql

import (
	"context"
	"syscall"
)

// become replaces this process, so that the terminal and its signals are psql's.
func become(_ context.Context, path string, args, env []string) error {
	return syscall.Exec(path, args, env)
}
