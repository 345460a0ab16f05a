package render

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestProblem(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"nothing", nil, ""},
		{"a bare error", errors.New("no such host"), "✗ no such host\n"},
		{
			"three parts",
			fmt.Errorf("while opening: %w", &problem.Error{What: "PostgreSQL did not start", Cause: errors.New("FATAL: no space\nDETAIL: disk full"), Next: "free some space"}),
			"✗ PostgreSQL did not start\n  why:  FATAL: no space\n        DETAIL: disk full\n  next: free some space\n",
		},
		{
			"the cause knows the remedy",
			&problem.Error{What: "up failed", Cause: &problem.Error{What: "port 5432 is taken", Next: "stop what listens there"}},
			"✗ up failed\n  why:  port 5432 is taken\n  next: stop what listens there\n",
		},
		{"shown before", Shown(errors.New("no such host")), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			io, _, _, stderr := iostreams.Test()
			Problem(io, c.err)
			if stderr.String() != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", stderr, c.want)
			}
		})
	}
}

func TestShownKeepsTheExitCode(t *testing.T) {
	for err, want := range map[error]int{
		nil: exitcode.OK,
		&problem.Error{What: "x", Kind: problem.Unhealthy}: exitcode.Unhealthy,
		context.Canceled: exitcode.Cancelled,
	} {
		if got := exitcode.Of(Shown(err)); got != want {
			t.Errorf("%v: exit code %d, want %d", err, got, want)
		}
	}
}
