//go:build unix

package kube

import (
	"context"
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv"
)

func starter(options Options) testenv.Starter[*Cluster] {
	return testenv.Starter[*Cluster]{
		Component: testenv.Kubernetes,
		Fetch:     func(ctx context.Context) error { _, err := Fetch(ctx); return err },
		Start:     func(ctx context.Context) (*Cluster, error) { return Start(ctx, options) },
	}
}

// Run starts a cluster for one test and stops it after, as testenv.Starter does.
func Run(t testing.TB, options Options) *Cluster {
	t.Helper()
	return starter(options).Run(t)
}

// Shared is one cluster for all tests of a package, started by the first that
// asks for it. Each works in a namespace of its own. Hand the package's tests to Main:
//
//	var cluster testkube.Shared
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }
type Shared struct {
	Options Options

	shared testenv.Shared[*Cluster]
}

// Cluster returns the cluster.
func (s *Shared) Cluster(t testing.TB) *Cluster {
	t.Helper()
	return s.shared.Get(t, starter(s.Options))
}

// Main runs the tests, stops the cluster and returns the exit code.
func (s *Shared) Main(m *testing.M) int { return s.shared.Main(m) }
