//go:build unix

// Package clock lets the wall clock of one process of gmctl jump, while its
// monotonic clock goes on, as when an administrator or NTP sets the clock of its
// machine. Go reads the clock without the C library, so that nothing can come between
// the two; and the machine has other processes. So gmctl is built with one line of
// package time replaced, and is otherwise the same program.
package clock

import (
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
)

// The line of time.Now that reads the clock, and what is put in its place.
const (
	reads  = "sec, nsec, mono := runtimeNow()\n"
	shifts = reads + "\tsec, nsec = shifted(sec, nsec)\n"
)

var (
	//go:embed shift.go.txt
	shift []byte // beside time.Now
	//go:embed main.go.txt
	maps []byte // beside the program's main
)

// Gmctl is the program that one usually wants.
const Gmctl = "cmd/gmctl"

// Build builds the program of a folder of the repository that the working directory
// is in, with a clock that can be set, to the path to. For gmctl the first time takes
// minutes: everything is built on package time.
func Build(ctx context.Context, program, to string) error {
	root, err := testenv.Root()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gmctl-clock-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(ctx, dir, filepath.Join(root, program))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", overlay, "-o", to, "./"+program)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s with a clock of its own: %w: %s", program, err, process.LastLines(string(output), 10))
	}
	return nil
}

// writeOverlay writes what go build takes in place of files, and beside them. Nothing
// of Go's source is kept.
func writeOverlay(ctx context.Context, dir, program string) (string, error) {
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find Go: %w", err)
	}
	std := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time")
	source, err := os.ReadFile(filepath.Join(std, "time.go"))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), reads); n != 1 {
		return "", fmt.Errorf("%s reads the clock in %d places, want one: %q. See how it does it now, and change internal/testenv/clock", filepath.Join(std, "time.go"), n, reads)
	}
	replaced := map[string]string{}
	for of, content := range map[string][]byte{
		filepath.Join(std, "time.go"):          []byte(strings.Replace(string(source), reads, shifts, 1)),
		filepath.Join(std, "shift.go"):         shift,
		filepath.Join(program, "testclock.go"): maps,
	} {
		by := filepath.Join(dir, filepath.Base(of))
		if err := os.WriteFile(by, content, 0o600); err != nil {
			return "", err
		}
		replaced[of] = by
	}
	content, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, content, 0o600)
}

// Clock is that of a process that has it in its environment.
type Clock struct {
	Program string // that Build has built
	file    string
}

// New makes a clock that is right. The file is its own.
func New(program, file string) (*Clock, error) {
	c := &Clock{program, file}
	return c, c.Set(0)
}

// Env is what the process needs in its environment.
func (c *Clock) Env() string { return "GMCTL_TEST_CLOCK=" + c.file }

// Set has the clock go wrong by that much from now on. Processes see it at once, and
// at no moment anything in between.
func (c *Clock) Set(by time.Duration) error {
	file, err := os.OpenFile(c.file, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(by)), 0)
	return err
}
