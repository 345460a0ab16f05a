package upgrade

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// skew is by how many minor versions nodes may be older than the control plane.
const skew = 3

// minorOf is NN of a version 1.NN, or 0 of what is none.
func minorOf(version string) int {
	minor, ok := strings.CutPrefix(version, "1.")
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(minor)
	if err != nil {
		return 0
	}
	return n
}

func version(minor int) string { return "1." + strconv.Itoa(minor) }

// way lists the minor versions from one to the other, without the first.
func way(from, to string) []string {
	var steps []string
	for minor := minorOf(from) + 1; minor <= minorOf(to); minor++ {
		steps = append(steps, version(minor))
	}
	return steps
}

// check refuses a version that the cluster cannot be brought to.
func check(current, to string, offered []string) error {
	usage := func(next, format string, args ...any) error {
		return &problem.Error{What: fmt.Sprintf(format, args...), Next: next, Kind: problem.Usage}
	}
	if len(offered) == 0 {
		offered = []string{current}
	}
	newer := "EKS offers " + strings.Join(offered, ", ")
	switch {
	case minorOf(to) == 0:
		return usage("give the minor version alone: --to "+offered[0], "%q is no Kubernetes version", to)
	case minorOf(to) < minorOf(current):
		return usage("EKS takes no control plane back: "+newer, "the cluster is at %s, which is newer than %s", current, to)
	}
	if slices.Contains(offered, to) || to == current { // at it, although it is out of support
		return nil
	}
	return usage("choose one: "+newer, "EKS does not offer Kubernetes %s", to)
}
