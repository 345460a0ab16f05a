package testenv

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
)

// System is a running system that tests use.
type System interface {
	Stop() error
	Logs() string // the ends of its programs' logs
}

// Starter starts systems of one kind.
type Starter[S System] struct {
	Component string                      // as Require takes it
	Fetch     func(context.Context) error // what it is made of; the error says what is missing
	Start     func(context.Context) (S, error)
}

// Run starts a system for one test and stops it after. A failed test's output
// holds the ends of its logs. The test is skipped where the system cannot be had,
// and fails where it does not start.
func (s Starter[S]) Run(t testing.TB) S {
	t.Helper()
	Require(t, s.Component, s.Fetch(t.Context()))
	system, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := system.Stop(); err != nil {
			t.Error(err)
		}
	})
	logOnFailure(t, system) // cleanups run last first: the logs are still there
	return system
}

func logOnFailure(t testing.TB, system System) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(system.Logs())
		}
	})
}

// Shared is one system for all tests of a package, started by the first that asks
// for it.
type Shared[S System] struct {
	once     sync.Once
	system   S
	started  bool
	fetchErr error
	startErr error
}

// Get returns the system, as the starter's Run does.
func (s *Shared[S]) Get(t testing.TB, starter Starter[S]) S {
	t.Helper()
	s.once.Do(func() {
		ctx := context.Background() // it outlives the test that starts it
		if s.fetchErr = starter.Fetch(ctx); s.fetchErr == nil {
			s.system, s.startErr = starter.Start(ctx)
			s.started = s.startErr == nil
		}
	})
	Require(t, starter.Component, s.fetchErr)
	if s.startErr != nil {
		t.Fatal(s.startErr)
	}
	logOnFailure(t, s.system)
	return s.system
}

// Main runs the tests, stops the system and returns the exit code.
func (s *Shared[S]) Main(m *testing.M) int {
	code := m.Run()
	if !s.started {
		return code
	}
	if err := s.system.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
