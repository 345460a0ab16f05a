package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// run is one walk of Up or Teardown over the graph.
type run struct {
	*Engine
	id      string
	who     string
	verb    Verb
	goal    Goal
	started time.Time
	past    past
	order   []Node              // what is walked, in the order of the walk
	after   map[string][]string // of a stage: those that must be settled before it
	chosen  map[string]bool

	results map[string]result // of the stages that are settled; the walk's own

	foresight *foresight

	mu    sync.Mutex      // serializes the Sink
	ended map[string]bool // stages whose last event was sent
}

// outcome is how a stage was settled.
type outcome string

const (
	changed   outcome = "changed"
	unchanged outcome = "unchanged"
	failed    outcome = "failed"
	blocked   outcome = "blocked"
	cancelled outcome = "cancelled"
	excluded  outcome = "excluded" // and in place, or of no concern to this run
	missing   outcome = "missing"  // excluded, not in place, and a chosen stage comes after it
)

// result is how a stage was settled, and why.
type result struct {
	stage     string
	outcome   outcome
	blockedBy string // blocked: the stage that failed
	problem   *problem.Error
	halt      bool // no further stage may start: the journal cannot be written
}

func (e *Engine) run(ctx context.Context, verb Verb, selection Selection) (*Result, error) {
	chosen, err := e.Graph.choose(selection)
	if err != nil {
		return nil, err
	}
	known, err := e.Journal.past(e.Graph.Names())
	if err != nil {
		return nil, err
	}
	r := e.newRun(ctx, verb, chosen, known)
	if err := r.record("", StatusStarted, nil, nil, 0); err != nil {
		return nil, err
	}
	r.emit(Event{Kind: RunStarted, Stages: names(r.order)})
	r.exclude()
	r.foresight = r.foresee(ctx)
	defer r.foresight.end()
	r.walk(ctx)
	return r.finish(ctx)
}

func (e *Engine) newRun(ctx context.Context, verb Verb, chosen map[string]bool, known past) *run {
	r := &run{
		Engine: e, verb: verb, goal: GoalPresent, started: e.Now(), chosen: chosen, past: known,
		order: e.Graph.Nodes(), after: make(map[string][]string),
		results: make(map[string]result), ended: make(map[string]bool),
	}
	r.id = newRunID(r.started)
	if e.Who != nil {
		r.who = e.Who(ctx)
	}
	if r.who == "" {
		name, host := currentUser()
		r.who = name + "@" + host
	}
	for _, node := range r.order {
		r.after[node.Name] = node.Needs
	}
	if verb == VerbDestroy {
		r.goal = GoalAbsent
		slices.Reverse(r.order)
		for _, node := range r.order {
			r.after[node.Name] = e.Graph.Dependents(node.Name)
		}
	}
	return r
}

// newRunID returns an id that begins with the time and that no other run has.
func newRunID(now time.Time) string {
	var random [3]byte
	_, _ = rand.Read(random[:]) // never fails
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(random[:])
}

// exclude settles the stages that are left out and that no chosen stage comes
// directly after: nobody has to know whether they are in place.
func (r *run) exclude() {
	for _, node := range r.order {
		if r.chosen[node.Name] {
			continue
		}
		r.emit(Event{Kind: StageExcluded, Stage: node.Name})
		if !slices.ContainsFunc(r.order, func(n Node) bool {
			return r.chosen[n.Name] && slices.Contains(r.after[n.Name], node.Name)
		}) {
			r.results[node.Name] = result{stage: node.Name, outcome: excluded}
		}
	}
}

// walk settles every stage that can be, and returns when none is at work.
func (r *run) walk(ctx context.Context) {
	atWork := make(map[string]bool)
	done := make(chan result, len(r.order))
	halted := false
	for {
		for _, node := range r.order {
			if _, settled := r.results[node.Name]; settled || atWork[node.Name] {
				continue
			}
			ready, verdict := r.ready(node)
			if verdict != nil {
				r.results[node.Name] = *verdict
				continue
			}
			if !ready || halted || len(atWork) == r.Parallelism || ctx.Err() != nil {
				continue
			}
			atWork[node.Name] = true
			go func() { done <- r.work(ctx, node) }()
		}
		if len(atWork) == 0 {
			return
		}
		settled := <-done
		delete(atWork, settled.stage)
		r.results[settled.stage] = settled
		halted = halted || settled.halt
	}
}

// ready reports whether all that comes before a stage is settled well. Where
// that can no longer be, it returns the verdict on the stage.
func (r *run) ready(node Node) (bool, *result) {
	ready, lacking := true, []string(nil)
	for _, name := range r.after[node.Name] {
		before, settled := r.results[name]
		switch {
		case !settled || before.outcome == cancelled:
			ready = false
		case before.outcome == failed:
			return false, r.block(node, name)
		case before.outcome == blocked:
			return false, r.block(node, before.blockedBy)
		case before.outcome == missing:
			lacking = append(lacking, name)
		}
	}
	if ready && lacking != nil && r.chosen[node.Name] {
		p := r.lacks(node, lacking)
		r.emit(Event{Kind: StageFailed, Stage: node.Name, Problem: p})
		return false, &result{stage: node.Name, outcome: failed, problem: p}
	}
	return ready, nil
}

func (r *run) block(node Node, by string) *result {
	if r.chosen[node.Name] {
		r.emit(Event{Kind: StageBlocked, Stage: node.Name, BlockedBy: by})
	}
	return &result{stage: node.Name, outcome: blocked, blockedBy: by}
}

// record appends to the journal what became of a stage, or of the run itself.
func (r *run) record(stage string, status Status, plan *Plan, p *problem.Error, elapsed time.Duration) error {
	record := r.newRecord(stage, r.verb, status)
	record.Error, record.Elapsed = recorded(p), elapsed
	if plan != nil {
		record.Fingerprint, record.Changes = plan.Fingerprint, summaries(plan.Changes)
	}
	return r.Journal.Append(record)
}

func (r *run) newRecord(stage string, verb Verb, status Status) Record {
	return Record{
		Time: r.Now().UTC(), Run: r.id, Env: r.Env, Who: r.who, Command: r.Command,
		Stage: stage, Verb: verb, Status: status,
	}
}

// emit sends an event of the run. What a stage says after its end is dropped.
func (r *run) emit(event Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if event.Stage != "" && r.ended[event.Stage] {
		return
	}
	switch event.Kind {
	case StageDone, StageUnchanged, StageFailed, StageCancelled, StageBlocked, StageExcluded:
		r.ended[event.Stage] = true
	}
	event.Problem = r.Remedy(event.Problem)
	event.Time, event.Env, event.Run, event.Verb = r.Now(), r.Env, r.id, r.verb
	r.Sink(event)
}

// reporter sends a stage's updates.
type reporter struct {
	run   *run
	stage string
}

// Report implements Reporter.
func (p reporter) Report(update Update) {
	p.run.emit(Event{Kind: StageUpdate, Stage: p.stage, Update: &update})
}
