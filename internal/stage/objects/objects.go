// Package objects is the stage of a set of Kubernetes objects: what Render
// returns is applied as one set, awaited, looked after and deleted.
package objects

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kube"
)

// Cluster is what the stage needs of a Kubernetes cluster.
type Cluster interface {
	Diff(ctx context.Context, set string, objects []*unstructured.Unstructured) ([]engine.Change, error)
	Apply(ctx context.Context, set string, objects []*unstructured.Unstructured, report engine.Reporter) error
	Wait(ctx context.Context, objects []*unstructured.Unstructured, report engine.Reporter) error
	Health(ctx context.Context, set string) (engine.Health, error)
	Doomed(ctx context.Context, set string) ([]kube.Doomed, error)
	Delete(ctx context.Context, set string, report engine.Reporter) error
}

var _ Cluster = (*kube.Client)(nil)

// Options describe a set.
type Options struct {
	Set string // its name in the cluster, where it is part of the objects' labels

	// Render returns the wanted objects. It may need what earlier stages bring:
	// its error is kube.ErrNotThere as long as that is missing.
	Render func(ctx context.Context) ([]*unstructured.Unstructured, error)
	// Preview tells in a few words what Render will return once it can: "32 objects".
	Preview func(ctx context.Context) (string, error)
	// Cluster opens the cluster; its error is kube.ErrNotThere where there is none.
	Cluster func(ctx context.Context) (Cluster, error)
}

type stage struct{ Options }

// New returns the stage of a set.
func New(options Options) engine.Stage { return &stage{options} }

// Plan is the API server's own comparison, or what a removal takes with it.
func (s *stage) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	cluster, err := s.Cluster(ctx)
	if errors.Is(err, kube.ErrNotThere) {
		if goal == engine.GoalAbsent {
			return engine.Plan{}, nil // objects live in the cluster alone
		}
		return s.deferred(ctx, "once the cluster is there")
	}
	if err != nil {
		return engine.Plan{}, err
	}
	if goal == engine.GoalAbsent {
		doomed, err := cluster.Doomed(ctx, s.Set)
		return engine.Plan{Changes: removals(doomed)}, err
	}
	wanted, err := s.Render(ctx)
	if errors.Is(err, kube.ErrNotThere) {
		return s.deferred(ctx, "once the stages before it are there")
	}
	if err != nil {
		return engine.Plan{}, err
	}
	changes, err := cluster.Diff(ctx, s.Set, wanted)
	if err != nil {
		return engine.Plan{}, err
	}
	hash, err := fingerprint(wanted)
	return engine.Plan{Changes: grouped(changes), Fingerprint: hash}, err
}

// deferred is the plan of what cannot be compared yet. A mistake in the manifests
// is told nevertheless.
func (s *stage) deferred(ctx context.Context, when string) (engine.Plan, error) {
	preview, err := s.Preview(ctx)
	return engine.Plan{Deferred: preview + ", " + when}, err
}

// Apply applies the set and returns when all of it is ready.
func (s *stage) Apply(ctx context.Context, report engine.Reporter) error {
	cluster, err := s.Cluster(ctx)
	if err != nil {
		return err
	}
	report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "rendering"})
	wanted, err := s.Render(ctx)
	if err != nil {
		return err
	}
	if err := cluster.Apply(ctx, s.Set, wanted, report); err != nil {
		return err
	}
	return cluster.Wait(ctx, wanted, report)
}

// Check tells how the set's workloads are.
func (s *stage) Check(ctx context.Context) (engine.Health, error) {
	cluster, err := s.Cluster(ctx)
	if errors.Is(err, kube.ErrNotThere) {
		return engine.Health{State: engine.StateAbsent}, nil
	}
	if err != nil {
		return engine.Health{}, err
	}
	return cluster.Health(ctx, s.Set)
}

// Destroy deletes the set and proves it gone.
func (s *stage) Destroy(ctx context.Context, report engine.Reporter) error {
	cluster, err := s.Cluster(ctx)
	if errors.Is(err, kube.ErrNotThere) {
		return nil
	}
	if err != nil {
		return err
	}
	return cluster.Delete(ctx, s.Set, report)
}
