//go:build unix

// Package python makes Python environments for the testbed's programs from PyPI, in
// the user's cache. It needs python3 with venv.
package python

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/cache"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
)

// fetchTimeout bounds the one download, of some ten MiB.
const fetchTimeout = 5 * time.Minute

// Environment returns the folder of an environment with the packages that a
// requirements.txt names; the first call on a machine gets them from PyPI. Any
// number of processes may call it at once. The error names what is missing.
func Environment(ctx context.Context, name string, requirements []byte) (string, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", errors.New("python3 is not on PATH")
	}
	version, err := exec.CommandContext(ctx, python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").Output()
	if err != nil {
		return "", fmt.Errorf("python3 does not run: %w", err)
	}
	return cache.Entry{
		Name: name, Of: [][]byte{requirements, version},
		Fill: func(ctx context.Context, dir string) error { return fetchInto(ctx, python, dir, requirements) },
	}.Dir(ctx)
}

// fetchInto fills dir. A Python environment cannot be moved: it is made where
// it stays.
func fetchInto(ctx context.Context, python, dir string, requirements []byte) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	if err := os.WriteFile(filepath.Join(dir, "requirements.txt"), requirements, 0o644); err != nil {
		return err
	}
	for _, step := range [][]string{
		{python, "-m", "venv", filepath.Join(dir, "venv")},
		{Program(dir, "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", filepath.Join(dir, "requirements.txt")},
	} {
		if output, err := exec.CommandContext(ctx, step[0], step[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(step, " "), err, process.LastLines(string(output), 5))
		}
	}
	return nil
}

// Program returns the path of a program of an environment: python itself, or one
// that a package brings.
func Program(environment, name string) string {
	return filepath.Join(environment, "venv", "bin", name)
}
