package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// world is what the stages of a test act upon. It outlives the engines, as the
// real one outlives gmctl, and complains of every rule that is broken.
type world struct {
	mu     sync.Mutex
	graph  *Graph
	things map[string]*thing
	broken []string // the rules that were broken

	// of the present run
	dead     bool               // the process was killed: nothing reaches the world or the disk any more
	ticks    int                // journal writes and stage effects so far
	killAt   int                // the tick that kills; 0: none
	tornAt   int                // how many bytes the killed write leaves
	cancelAt int                // the tick at which the user interrupts; 0: none
	cancel   context.CancelFunc //
	faults   map[string]fault
	atWork   int
	busiest  int // the most stages at work at once
	calls    []string
}

// thing is the real state of one stage.
type thing struct {
	there    bool   // complete
	half     bool   // an Apply or a Destroy was cut off
	version  string // what it was made from
	wanted   string
	recorded Record // the last that reached the disk
	blind    bool   // its Plan sees neither what is half done nor another version
}

// fault is how a stage fails.
type fault string

const (
	failsAtOnce   fault = "at once"
	failsHalfDone fault = "half done"
	failsWhenDone fault = "when done"
	panics        fault = "panics"
	failsToPlan   fault = "to plan"
)

var errKilled = errors.New("killed")

// newWorld makes a world and its graph; needs maps each stage to what it needs.
func newWorld(t interface{ Fatal(...any) }, nodes ...Node) *world {
	w := &world{things: make(map[string]*thing)}
	for i := range nodes {
		nodes[i].Stage = &worldStage{w, nodes[i].Name}
		w.things[nodes[i].Name] = &thing{wanted: "v1"}
	}
	graph, err := NewGraph(nodes...)
	if err != nil {
		t.Fatal(err)
	}
	w.graph = graph
	return w
}

// need is a node of a graph in a test.
func need(name string, needs ...string) Node { return Node{Name: name, Needs: needs} }

// begin makes the world ready for another run of gmctl.
func (w *world) begin() {
	w.dead, w.ticks, w.killAt, w.cancelAt, w.atWork, w.busiest = false, 0, 0, 0, 0, 0
	w.faults, w.calls = nil, nil
}

func (w *world) breaks(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

// tick is called with mu held at every moment at which a kill makes a
// difference. It reports whether the process still lives.
func (w *world) tick() bool {
	if w.dead {
		return false
	}
	w.ticks++
	if w.ticks == w.cancelAt {
		w.cancel()
	}
	if w.ticks == w.killAt {
		w.dead = true
	}
	return !w.dead
}

// journal returns the journal at path as this world's process writes it.
func (w *world) journal(t testing.TB, path string) *Journal {
	t.Helper()
	journal, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	journal.write = func(file *os.File, data []byte) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.dead {
			return errKilled
		}
		killed := error(nil)
		if !w.tick() {
			data, killed = data[:min(w.tornAt, len(data)-1)], errKilled
		}
		// All but the newline may be there: then the record is.
		if record, ok := parseRecord(data); ok && record.Stage != "" && record.Verb != VerbPlan {
			w.things[record.Stage].recorded = record
		}
		_, err := file.Write(data)
		return errors.Join(err, killed)
	}
	return journal
}

// worldStage is a stage that acts upon a world.
type worldStage struct {
	world *world
	name  string
}

func (s *worldStage) Plan(_ context.Context, goal Goal) (Plan, error) {
	w, is := s.world, s.world.things[s.name]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.faults[s.name] == failsToPlan {
		return Plan{}, errors.New("cannot look")
	}
	plan := Plan{}
	if goal == GoalPresent {
		plan.Fingerprint = is.wanted
	}
	wrong := !is.there || is.half || is.version != is.wanted
	if goal == GoalAbsent {
		wrong = is.there || is.half
	}
	if is.blind {
		wrong = is.there == (goal == GoalAbsent) && !is.half
	}
	if wrong {
		plan.Changes = []Change{{Action: ActionUpdate, Object: s.name}}
	}
	return plan, nil
}

func (s *worldStage) Apply(ctx context.Context, report Reporter) error {
	return s.act(ctx, report, VerbApply)
}

func (s *worldStage) Destroy(ctx context.Context, report Reporter) error {
	return s.act(ctx, report, VerbDestroy)
}

func (s *worldStage) Check(context.Context) (Health, error) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	if s.world.things[s.name].there {
		return Health{State: StateReady}, nil
	}
	return Health{State: StateAbsent}, nil
}

// act takes two steps: the first leaves the thing half done, the second
// completes it.
func (s *worldStage) act(ctx context.Context, report Reporter, verb Verb) error {
	w, is := s.world, s.world.things[s.name]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errKilled
	}
	w.calls = append(w.calls, string(verb)+" "+s.name)
	w.atWork++
	w.busiest = max(w.busiest, w.atWork)
	defer func() { w.atWork-- }()
	s.judge(verb)
	steps := []struct {
		fault fault
		do    func()
	}{
		{failsAtOnce, func() { is.half = true }},
		{failsHalfDone, func() { is.there, is.half, is.version = verb == VerbApply, false, is.wanted }},
		{failsWhenDone, func() {}},
	}
	for _, step := range steps {
		if w.faults[s.name] == step.fault {
			return &problem.Error{What: s.name + " failed " + string(step.fault)}
		}
		if w.faults[s.name] == panics && is.half {
			panic(s.name + " panicked")
		}
		if !w.tick() {
			return errKilled
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		step.do()
		w.mu.Unlock() // others work between the steps
		report.Report(Update{Kind: UpdateProgress, Message: "step"})
		w.mu.Lock()
	}
	return nil
}

// judge notes if this is not the moment for verb.
func (s *worldStage) judge(verb Verb) {
	w, is := s.world, s.world.things[s.name]
	node, _ := w.graph.Node(s.name)
	if is.recorded.Status != StatusStarted || is.recorded.Verb != verb {
		w.breaks("%s %s is at work and the journal does not say so: %+v", verb, s.name, is.recorded)
	}
	if verb == VerbDestroy {
		for _, name := range w.graph.Dependents(s.name) {
			if other := w.things[name]; other.there || other.half {
				w.breaks("%s is destroyed while %s is there", s.name, name)
			}
		}
		return
	}
	for _, name := range node.Needs {
		if other := w.things[name]; !other.there || other.half {
			w.breaks("%s is applied before %s is done", s.name, name)
		}
	}
}

// complete reports whether all stages are there, or all gone.
func (w *world) complete(verb Verb) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range w.graph.Names() {
		is := w.things[name]
		switch {
		case is.half:
			return fmt.Errorf("%s is half done", name)
		case is.there != (verb == VerbApply):
			return fmt.Errorf("%s there: %t, after %s", name, is.there, verb)
		case is.there && is.version != is.wanted:
			return fmt.Errorf("%s is made from %s, not %s", name, is.version, is.wanted)
		}
	}
	return nil
}

// tape keeps the events of a run.
type tape struct{ events []Event }

func (t *tape) sink(event Event) { t.events = append(t.events, event) }

// kinds are the events of one stage, or of the run itself.
func (t *tape) kinds(stage string) []EventKind {
	var kinds []EventKind
	for _, event := range t.events {
		if event.Stage == stage && (len(kinds) == 0 || kinds[len(kinds)-1] != event.Kind) {
			kinds = append(kinds, event.Kind)
		}
	}
	return kinds
}

// last is the run's last event of a stage.
func (t *tape) last(stage string) Event {
	for _, event := range slices.Backward(t.events) {
		if event.Stage == stage {
			return event
		}
	}
	return Event{}
}

// wellFormed says which rule of Event the events break.
func (t *tape) wellFormed(order []string) error {
	if len(t.events) < 2 || t.events[0].Kind != RunStarted || t.last("").Kind != RunDone || t.events[len(t.events)-1].Kind != RunDone {
		return fmt.Errorf("a run has no start or end: %v", t.kinds(""))
	}
	if !slices.Equal(t.events[0].Stages, order) {
		return fmt.Errorf("a run announces %v, not %v", t.events[0].Stages, order)
	}
	for i, event := range t.events[1:] {
		if event.Time.Before(t.events[i].Time) || event.Run != t.events[0].Run {
			return fmt.Errorf("an event is out of order: %+v", event)
		}
	}
	for _, stage := range order {
		kinds := t.kinds(stage)
		if len(kinds) == 0 {
			continue
		}
		before, final := kinds[:len(kinds)-1], kinds[len(kinds)-1]
		worked := slices.Equal(before, []EventKind{StageStarted, StageUpdate}) || slices.Equal(before, []EventKind{StageStarted})
		allowed := map[EventKind]bool{
			StageDone: worked, StageFailed: worked || len(before) == 0, StageCancelled: worked || len(before) == 0,
			StageUnchanged: len(before) == 0, StageBlocked: len(before) == 0, StageExcluded: len(before) == 0,
		}
		if !allowed[final] {
			return fmt.Errorf("the events of %s are %v", stage, kinds)
		}
	}
	return nil
}

// up runs Up once over the world, with a fresh engine on the journal at path.
func (w *world) up(t testing.TB, path string, selection Selection) (*Result, *tape, error) {
	t.Helper()
	return w.walk(t, path, VerbApply, selection, 8)
}

// walk runs one verb once, and checks what holds of every run.
func (w *world) walk(t testing.TB, path string, verb Verb, selection Selection, parallelism int) (*Result, *tape, error) {
	t.Helper()
	recorder := &tape{}
	journal := w.journal(t, path)
	defer journal.Close()
	engine := New(Options{
		Env: "test", Command: "gmctl " + string(verb), Who: func(context.Context) string { return "tester@host" }, Graph: w.graph,
		Journal: journal, Sink: recorder.sink, Parallelism: parallelism,
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.cancel = cancel
	order, walk := w.graph.Names(), engine.Up
	if verb == VerbDestroy {
		slices.Reverse(order)
		walk = engine.Teardown
	}
	result, err := walk(ctx, selection)
	if result != nil {
		if err := recorder.wellFormed(order); err != nil {
			w.breaks("%v", err)
		}
	}
	if w.busiest > parallelism {
		w.breaks("%d stages at work at once, not %d", w.busiest, parallelism)
	}
	return result, recorder, err
}
