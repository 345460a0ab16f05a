package upgrade

import (
	"slices"
	"testing"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func TestWay(t *testing.T) {
	if got := way("1.33", "1.36"); !slices.Equal(got, []string{"1.34", "1.35", "1.36"}) {
		t.Errorf("%v", got)
	}
	if got := way("1.36", "1.36"); got != nil {
		t.Errorf("%v", got)
	}
}

func TestCheck(t *testing.T) {
	offered := []string{"1.36", "1.35", "1.34"}
	for _, test := range []struct {
		current, to string
		refused     string
	}{
		{"1.34", "1.35", ""},
		{"1.34", "1.36", ""},
		{"1.36", "1.36", ""},
		{"1.33", "1.33", ""}, // EKS does not offer it any more
		{"1.35", "1.34", "the cluster is at 1.35, which is newer than 1.34"},
		{"1.35", "1.37", "EKS does not offer Kubernetes 1.37"},
		{"1.35", "1.36.2", `"1.36.2" is no Kubernetes version`},
		{"1.35", "v1.36", `"v1.36" is no Kubernetes version`},
	} {
		err := check(test.current, test.to, offered)
		p := problem.From(err)
		switch {
		case test.refused == "" && p != nil:
			t.Errorf("%s to %s: %v", test.current, test.to, p)
		case test.refused != "" && (p == nil || p.What != test.refused || p.Kind != problem.Usage || p.Next == ""):
			t.Errorf("%s to %s: %+v", test.current, test.to, p)
		}
	}
}
