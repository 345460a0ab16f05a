package postgres

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/shirou/gopsutil/v4/process"
)

const dirPrefix = "gmctl-test-postgres-"

// makeDir makes a directory for a server, below in (empty: the system's folder for
// temporary files), named after this process, and removes
// those of processes that ended without doing so: a test that panicked. It is
// not a t.TempDir because, for root, another user must be able to reach it.
func makeDir(in string) (string, error) {
	if in == "" {
		in = os.TempDir()
	}
	left, err := filepath.Glob(filepath.Join(in, dirPrefix+"*"))
	if err != nil {
		return "", err
	}
	for _, dir := range left {
		var pid int32
		if _, err := fmt.Sscanf(filepath.Base(dir), dirPrefix+"%d-", &pid); err != nil {
			continue
		}
		if alive, err := process.PidExists(pid); err == nil && !alive {
			_ = os.RemoveAll(dir) // another user's may stay
		}
	}
	dir, err := os.MkdirTemp(in, fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}
