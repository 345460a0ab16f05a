package exitcode

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, OK},
		{errors.New("anything"), Failed},
		{&problem.Error{What: "it"}, Failed},
		{&problem.Error{Kind: problem.Usage}, Usage},
		{&problem.Error{Kind: problem.Unhealthy}, Unhealthy},
		{&problem.Error{Kind: problem.Locked}, Locked},
		{&problem.Error{Kind: problem.Missing}, Missing},
		{&problem.Error{Kind: problem.Declined}, Declined},
		{&problem.Error{Kind: problem.Cancelled}, Cancelled},
		{fmt.Errorf("while trying: %w", &problem.Error{Kind: problem.Locked}), Locked},
		{context.Canceled, Cancelled},
		{&problem.Error{What: "it", Cause: context.Canceled}, Cancelled},
		{context.DeadlineExceeded, Failed},
	} {
		if got := Of(c.err); got != c.want {
			t.Errorf("%#v: got %d, want %d", c.err, got, c.want)
		}
	}
}

func TestNoTwoCodesAreAlike(t *testing.T) {
	seen := map[int]string{}
	for _, c := range All() {
		if other, twice := seen[c.Number]; twice {
			t.Errorf("%s and %s are both %d", c.Name, other, c.Number)
		}
		seen[c.Number] = c.Name
	}
}
