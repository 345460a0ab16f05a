//go:build unix

package pipeline

import (
	"slices"
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/disk"
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

// As many rounds as a small run has faults have each of them, and every second one is a kill.
func TestASmallRunHasEachOfItsFaults(t *testing.T) {
	small := Small()
	s := &site{Options: Options{Only: small, Seed: 7}, shifted: "a gmctl", disk: &disk.Disk{}}
	deck, err := s.deck()
	if err != nil {
		t.Fatal(err)
	}
	var drawn []string
	for round := range small {
		f := deck.draw(round)
		drawn = append(drawn, f.name)
		if kill := slices.ContainsFunc(kills(), func(k fault) bool { return k.name == f.name }); kill != (round%2 == 0) {
			t.Errorf("round %d is %s", round, f.name)
		}
	}
	slices.Sort(drawn)
	slices.Sort(small)
	if !slices.Equal(drawn, small) {
		t.Errorf("the rounds are %v, want %v", drawn, small)
	}
}
