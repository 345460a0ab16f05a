//go:build unix

package kube

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv"
)

// Run starts a cluster for one test and stops it after. A failed test's output
// holds the end of the programs' logs. The test is skipped where they cannot be
// built, and fails where the cluster does not start.
func Run(t testing.TB, options Options) *Cluster {
	t.Helper()
	_, err := Fetch(t.Context())
	testenv.Require(t, testenv.Kubernetes, err)
	cluster, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	logOnFailure(t, cluster) // cleanups run last first: the logs are still there
	return cluster
}

func logOnFailure(t testing.TB, cluster *Cluster) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(cluster.Logs())
		}
	})
}

// Shared is one cluster for all tests of a package, started by the first that
// asks for it. Each works in a namespace of its own. Hand the package's tests to
// Main:
//
//	var cluster testkube.Shared
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }
type Shared struct {
	Options Options

	once     sync.Once
	cluster  *Cluster
	fetchErr error
	startErr error
}

// Cluster returns the cluster, as Run does.
func (s *Shared) Cluster(t testing.TB) *Cluster {
	t.Helper()
	s.once.Do(func() {
		ctx := context.Background() // it outlives the test that starts it
		if _, s.fetchErr = Fetch(ctx); s.fetchErr == nil {
			s.cluster, s.startErr = Start(ctx, s.Options)
		}
	})
	testenv.Require(t, testenv.Kubernetes, s.fetchErr)
	if s.startErr != nil {
		t.Fatal(s.startErr)
	}
	logOnFailure(t, s.cluster)
	return s.cluster
}

// Main runs the tests, stops the cluster and returns the exit code.
func (s *Shared) Main(m *testing.M) int {
	code := m.Run()
	if s.cluster == nil {
		return code
	}
	if err := s.cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
