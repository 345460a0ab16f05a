//go:build unix

package clock_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/clock"
)

// The wall clock of a process that runs jumps there and back; its monotonic clock, and
// the clock of everybody else, goes on.
func TestClock(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "tell")
	if err := clock.Build(t.Context(), "internal/testenv/clock/testdata/tell", program); err != nil {
		t.Fatal(err)
	}
	c, err := clock.New(program, filepath.Join(dir, "clock"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), c.Env())
	ask, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	before := int64(0)
	for _, by := range []time.Duration{0, 5 * time.Hour, -7*time.Hour - 300*time.Millisecond, 400 * 24 * time.Hour, 0} {
		if err := c.Set(by); err != nil {
			t.Fatal(err)
		}
		earliest := time.Now()
		if _, err := ask.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
		var said, since int64
		if _, err := fmt.Fscan(answer, &said, &since); err != nil {
			t.Fatal(err)
		}
		latest := time.Now()
		if at := time.Unix(0, said).Add(-by); at.Before(earliest) || at.After(latest) {
			t.Errorf("wrong by %s it says %s, right is between %s and %s", by, at, earliest, latest)
		}
		if since < before || since > int64(latest.Sub(began)) {
			t.Errorf("wrong by %s it says that %d ns are gone, after %d", by, since, before)
		}
		before = since
	}
	ask.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
