package engine

import (
	"context"
	"sync"
	"sync/atomic"
)

// foresight plans all stages at once when Up begins, as they are to be planned if
// nothing that they need is changed before it is their turn. So an environment that
// is as it should be costs no more time than its slowest plan.
type foresight struct {
	plans   map[string]*foreseen
	working sync.WaitGroup
}

// foreseen is a plan made before its turn.
type foreseen struct {
	cancel context.CancelFunc
	done   chan struct{}
	void   atomic.Bool // something that the stage needs is changed
	plan   Plan
	err    error
}

func (r *run) foresee(ctx context.Context) *foresight {
	f := &foresight{plans: map[string]*foreseen{}}
	if r.goal != GoalPresent {
		return f
	}
	limit := make(chan struct{}, r.Parallelism)
	for _, node := range r.order {
		if !r.chosen[node.Name] {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		one := &foreseen{cancel: cancel, done: make(chan struct{})}
		f.plans[node.Name] = one
		f.working.Go(func() {
			defer close(one.done)
			limit <- struct{}{}
			defer func() { <-limit }()
			if ctx.Err() == nil {
				one.plan, one.err = planStage(ctx, node, r.goal)
			}
		})
	}
	return f
}

// plan plans a stage whose turn it is. A stage is not planned twice at a time.
func (f *foresight) plan(ctx context.Context, node Node, goal Goal) (Plan, error) {
	if one := f.plans[node.Name]; one != nil {
		<-one.done
		if !one.void.Load() {
			return one.plan, one.err
		}
	}
	return planStage(ctx, node, goal)
}

// changes says that a stage is going to be changed: what was foreseen of those that
// need it is void.
func (f *foresight) changes(graph *Graph, stage string) {
	for _, dependent := range graph.Dependents(stage) {
		if one := f.plans[dependent]; one != nil {
			one.void.Store(true)
			one.cancel()
		}
		f.changes(graph, dependent)
	}
}

// end waits until nothing is planned any more.
func (f *foresight) end() {
	for _, one := range f.plans {
		one.cancel()
	}
	f.working.Wait()
}
