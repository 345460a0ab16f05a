//go:build unix

package aws

import (
	"context"
	"embed"
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

//go:embed requirements.txt
var requirements []byte

// emulator is emulator.py with its modules.
//
//go:embed *.py
var emulator embed.FS

// fetchTimeout bounds the one download of about 30 MiB.
const fetchTimeout = 5 * time.Minute

// Fetch returns the folder in the user's cache that holds a Python environment
// for the emulator; the first call on a machine gets the packages from
// PyPI. Any number of processes may call it at once. The error names what is
// missing.
func Fetch(ctx context.Context) (string, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", errors.New("python3 is not on PATH")
	}
	version, err := exec.CommandContext(ctx, python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").Output()
	if err != nil {
		return "", fmt.Errorf("python3 does not run: %w", err)
	}
	return cache.Entry{
		Name: "aws", Of: [][]byte{requirements, version},
		Fill: func(ctx context.Context, dir string) error { return fetchInto(ctx, python, dir) },
	}.Dir(ctx)
}

// fetchInto fills dir. A Python environment cannot be moved: it is made where
// it stays.
func fetchInto(ctx context.Context, python, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	if err := os.WriteFile(filepath.Join(dir, "requirements.txt"), requirements, 0o644); err != nil {
		return err
	}
	for _, step := range [][]string{
		{python, "-m", "venv", filepath.Join(dir, "venv")},
		{interpreter(dir), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", filepath.Join(dir, "requirements.txt")},
	} {
		if output, err := exec.CommandContext(ctx, step[0], step[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(step, " "), err, process.LastLines(string(output), 5))
		}
	}
	return nil
}

func interpreter(dir string) string { return filepath.Join(dir, "venv", "bin", "python") }
