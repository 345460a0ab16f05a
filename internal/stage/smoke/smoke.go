// Package smoke is the stage that proves the platform: a record goes through
// every topic, and an event goes in over HTTP, is found in PostgreSQL, and comes
// out of Kafka. What it sends is marked as a test, and every consumer of the
// platform skips it.
package smoke

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/smoketest"
)

// Target is the platform to try.
type Target struct {
	Instance     string // identifies what runs; another instance is tried anew
	IngestionURL string
	Key          apikey.Secret // empty: ingestion wants none
	// DatabaseURL is empty where the database cannot be reached from here. Then
	// the event is sent again: that it is there already, only PostgreSQL knows.
	DatabaseURL string
	Kafka       kafka.Config
}

// Locate tells where the platform is; an error means that it is not up.
type Locate func(context.Context) (Target, error)

type stage struct {
	locate Locate
}

// New returns the stage that tries the platform once per instance.
func New(locate Locate) engine.Stage { return &stage{locate} }

// timeout bounds the whole test.
const timeout = 30 * time.Second

// Plan has no change of its own: the instance is the fingerprint, so the engine
// runs the test for each instance until it has passed.
func (s *stage) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	if goal == engine.GoalAbsent {
		return engine.Plan{}, nil
	}
	target, err := s.locate(ctx)
	if err != nil {
		return engine.Plan{Deferred: "a smoke test, once the platform is up"}, nil //nolint:nilerr // that it is not up is the answer
	}
	return engine.Plan{Fingerprint: target.Instance}, nil
}

// Apply runs the test.
func (s *stage) Apply(ctx context.Context, report engine.Reporter) error {
	target, err := s.locate(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "a record through every topic"})
		result, err := smoketest.Run(ctx, target.Kafka, smoketest.Options{})
		if err != nil {
			return err
		}
		return result.Err()
	})
	group.Go(func() error {
		began := time.Now()
		if err := throughPlatform(ctx, target); err != nil {
			return err
		}
		report.Report(engine.Update{
			Kind:    engine.UpdateProgress,
			Message: fmt.Sprintf("an event came through HTTP, PostgreSQL and Kafka in %d ms", time.Since(began).Milliseconds()),
		})
		return nil
	})
	return group.Wait()
}

// Check says nothing of its own: a health that is watched every second must not
// send events. The other stages tell how they are.
func (s *stage) Check(ctx context.Context) (engine.Health, error) {
	if _, err := s.locate(ctx); err != nil {
		return engine.Health{State: engine.StateAbsent}, nil //nolint:nilerr // the other stages say why
	}
	return engine.Health{State: engine.StateReady, Summary: "runs in gmctl up"}, nil
}

// Destroy has nothing to remove.
func (s *stage) Destroy(context.Context, engine.Reporter) error { return nil }
