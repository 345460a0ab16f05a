package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// checkGrace is how long a Check whose time is up may take to say so itself.
const checkGrace = 100 * time.Millisecond

// Check asks all stages for their health at once and returns it in the order of
// the graph. A stage whose health cannot be learned, or not within the
// CheckTimeout, is StateUnknown with a problem that says why; it keeps no other
// waiting.
func (e *Engine) Check(ctx context.Context) []StageHealth {
	nodes := e.Graph.Nodes()
	healths := make([]StageHealth, len(nodes))
	var checks sync.WaitGroup
	for i, node := range nodes {
		checks.Go(func() {
			healths[i] = StageHealth{Stage: node.Name, Health: e.checkStage(ctx, node)}
		})
	}
	checks.Wait()
	return healths
}

func (e *Engine) checkStage(ctx context.Context, node Node) Health {
	bounded, cancel := context.WithTimeout(ctx, e.CheckTimeout)
	defer cancel()
	answer := make(chan Health, 1)
	// A Check that does not listen to its context cannot be ended. It is left
	// to itself: its answer goes nowhere, and status goes on without it.
	go func() { answer <- e.remedied(e.checkProtected(bounded, node)) }()
	select {
	case health := <-answer:
		return health
	case <-bounded.Done():
	}
	select {
	case health := <-answer:
		return health
	case <-time.After(checkGrace):
	}
	return e.unknown(ctx, node.Name, bounded.Err())
}

// remedied is the health with the engine's word on what to do.
func (e *Engine) remedied(health Health) Health {
	health.Problem = e.Remedy(health.Problem)
	health.Components = slices.Clone(health.Components)
	for i := range health.Components {
		health.Components[i].Health = e.remedied(health.Components[i].Health)
	}
	return health
}

func (e *Engine) checkProtected(ctx context.Context, node Node) (health Health) {
	err := protect(func() (err error) {
		health, err = node.Stage.Check(ctx)
		return err
	})
	if err != nil {
		return e.unknown(ctx, node.Name, err)
	}
	return health
}

// unknown is the health of a stage whose Check gave err.
func (e *Engine) unknown(ctx context.Context, stage string, err error) Health {
	p := stageProblem(stage, "did not tell its health", err)
	if timedOut(ctx) || errors.Is(err, context.DeadlineExceeded) {
		p = &problem.Error{
			What: fmt.Sprintf("stage %s did not tell its health within %s", stage, e.CheckTimeout),
			Next: "see what it is busy with: gmctl logs",
		}
	}
	return Health{State: StateUnknown, Problem: p}
}
