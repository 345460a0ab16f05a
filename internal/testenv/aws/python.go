package aws

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

//go:embed requirements.txt
var requirements []byte

//go:embed emulator.py
var emulator []byte

// fetchTimeout bounds the one download of about 30 MiB.
const fetchTimeout = 5 * time.Minute

// Fetch returns the folder in the user's cache that holds the emulator and a
// Python environment for it; the first call on a machine gets the packages from
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
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, part := range [][]byte{requirements, emulator, version} {
		_, _ = sum.Write(part) // a hash takes everything
	}
	dir := filepath.Join(cache, "gmctl", "testbed", "aws-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if complete(dir) {
		return dir, nil
	}
	return dir, fetchInto(ctx, python, dir)
}

// stamp is written last: a folder without it is half made.
const stamp = "complete"

func complete(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, stamp))
	return err == nil
}

// fetchInto makes dir. A Python environment cannot be moved, so it is made
// where it stays and counts only with its stamp.
func fetchInto(ctx context.Context, python, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return fmt.Errorf("wait for the process that fetches the emulator: %w", err)
	}
	defer lock.Unlock()
	if complete(dir) {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, content := range map[string][]byte{"requirements.txt": requirements, "emulator.py": emulator} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	for _, step := range [][]string{
		{python, "-m", "venv", filepath.Join(dir, "venv")},
		{interpreter(dir), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", filepath.Join(dir, "requirements.txt")},
	} {
		if output, err := exec.CommandContext(ctx, step[0], step[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(step, " "), err, lastLines(string(output), 5))
		}
	}
	return os.WriteFile(filepath.Join(dir, stamp), nil, 0o644)
}

func interpreter(dir string) string { return filepath.Join(dir, "venv", "bin", "python") }

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
