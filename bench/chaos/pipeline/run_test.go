//go:build unix

package pipeline

import (
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv"
)

// What could not be tried does not hold where all is asked for.
func TestARunHolds(t *testing.T) {
	acked := counts{Acked: 1}
	for _, test := range []struct {
		name     string
		result   Result
		requires string
		want     bool
	}{
		{"all is well", Result{Rounds: 2, counts: acked}, "all", true},
		{"a round is missing", Result{Rounds: 1, counts: acked}, "", false},
		{"nothing was acknowledged", Result{Rounds: 2}, "", false},
		{"something is violated", Result{Rounds: 2, counts: acked, Violated: []string{"order"}}, "", false},
		{"a fault is left out", Result{Rounds: 2, counts: acked, Missing: []string{diskFull}}, "", true},
		{"a fault is left out of all", Result{Rounds: 2, counts: acked, Missing: []string{diskFull}}, "all", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(testenv.RequireVariable, test.requires)
			if got := test.result.holds(2); got != test.want {
				t.Errorf("it holds: %t", got)
			}
		})
	}
}
