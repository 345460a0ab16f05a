package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Group publishes the events of a Shared source with as many lanes as its newest
// layout has. Each is a Relay of its own: it stands by while another process works
// it, and has its own position and transactional id.
//
// Lanes of a layout publish when all of the layout before have written their last
// cursor, or when they have a cursor of their own. Both are read in Kafka, the whole topic
// once and then what is new; the lanes that one waits for are worked too. So a Group that
// starts in the midst of a change, or with an empty Kafka, takes the layouts in order, and
// else works the newest.
type Group struct {
	cfg     Config
	source  Shared
	metrics *metrics
	cursors cursors
	kick    chan struct{} // looks at the layouts at once
	ended   chan lane

	mu      sync.Mutex
	working map[Part]*Relay
	gone    Status         // of the lanes that have finished: what they published
	problem *problem.Error // why the layouts cannot be read
	held    *problem.Error // see Status.Held
	since   time.Time
	start   func(Part) // nil: it does not run
	shared  bool       // Config.Share is done; of Run's goroutine
	members []string   // see Shared.Join
	met     int        // how often members has changed
}

// lane is one that has ended.
type lane struct {
	part Part
	err  error
}

// layoutsEvery is how often a Group looks for a new layout.
const layoutsEvery = time.Second

// NewGroup returns a Group that does nothing before Run. Of cfg it takes no Source,
// Lanes and Lane.
func NewGroup(source Shared, cfg Config) *Group {
	cfg = cfg.withDefaults()
	g := &Group{
		cfg: cfg, source: source, working: make(map[Part]*Relay), since: time.Now(),
		kick: make(chan struct{}, 1), ended: make(chan lane),
	}
	g.cursors.kafka = cfg.Kafka
	g.metrics = newMetrics(cfg.Registry, func() bool { return g.Status().State == Running })
	if cfg.Registry != nil {
		cfg.Registry.MustRegister(newLaneMetrics(g))
	}
	return g
}

// Run publishes until ctx ends, and then returns nil; or, as Relay.Run, the
// *problem.Error of a lane that cannot go on, after which none does.
func (g *Group) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var lanes sync.WaitGroup
	defer g.cursors.close()
	defer g.reset()
	defer lanes.Wait()
	defer stop()
	g.mu.Lock()
	g.start = func(p Part) {
		r := New(g.laneConfig(p))
		g.working[p] = r
		lanes.Go(func() {
			err := r.Run(ctx)
			select {
			case g.ended <- lane{p, err}:
			case <-ctx.Done():
			}
		})
	}
	g.mu.Unlock()
	lanes.Go(func() { g.meet(ctx) })
	lanes.Go(func() { watchHeld(ctx, g, g.cfg, g.heldBy) })
	for {
		g.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(layoutsEvery):
		case <-g.kick:
		case l := <-g.ended:
			if !errors.Is(l.err, errLaneDone) {
				return l.err
			}
			g.finished(l.part)
		}
	}
}

// reset forgets the lanes, which have ended.
func (g *Group) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for part, r := range g.working {
		g.leave(part, r)
	}
	g.start = nil
}

func (g *Group) finished(p Part) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cfg.Log.Info("all of a lane is published, a later layout has the rest", "lane", p.Lane())
	g.leave(p, g.working[p])
}

// leave keeps what the lane has counted; with mu held.
func (g *Group) leave(p Part, r *Relay) {
	s := r.Status()
	g.gone.Published += s.Published
	g.gone.DeadLettered += s.DeadLettered
	g.gone.Cursor = s.Cursor
	delete(g.working, p)
}

// look works the lanes of the newest layout.
func (g *Group) look(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	layouts, err := g.layouts(asking)
	if err == nil && len(layouts) == 0 {
		err = errNoLayout
	}
	g.mu.Lock()
	g.problem = nil
	if err != nil {
		g.problem = problem.From(err)
	}
	g.mu.Unlock()
	if err != nil {
		g.cfg.Log.Debug("the layouts of the lanes cannot be read", "error", err)
		return
	}
	g.work(lanesOf(layouts[len(layouts)-1])...)
}

// layouts returns them, the first time with the change that is asked for: only once,
// since another process may want another one.
func (g *Group) layouts(ctx context.Context) ([]Layout, error) {
	if !g.shared && g.cfg.Share > 0 {
		changed, err := g.source.SetLanes(ctx, g.cfg.Share)
		if err != nil {
			return nil, err
		}
		if changed {
			g.cfg.Log.Info("events are shared out anew from now on", "lanes", g.cfg.Share)
		}
	}
	g.shared = true
	return g.source.Layouts(ctx)
}

var errNoLayout = &problem.Error{What: "the database has no layout of the relay's lanes", Next: "look at its table relay_epochs, where epoch 0 is missing"}

// work starts what is not working.
func (g *Group) work(parts ...Part) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range parts {
		if g.working[p] == nil && g.start != nil {
			g.start(p)
		}
	}
}

// laneConfig is the Config of a lane.
func (g *Group) laneConfig(p Part) Config {
	cfg := g.cfg
	cfg.Source, cfg.Lanes, cfg.Lane = g.source.Part(p), g.source, p.Lane()
	cfg.Batch = min(cfg.Batch, max(leastBatch, cfg.Batch/p.Lanes))
	cfg.Registry, cfg.metrics = nil, g.metrics
	cfg.place = &place{Part: p, group: g}
	return cfg
}

// Status sums up the lanes: what is wrong with one is told first, and Cursor is the
// furthest behind of those that work.
func (g *Group) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.gone
	all.State, all.Since, all.Problem, all.Held = Starting, g.since, g.problem, g.held
	if g.start == nil {
		all.State = Stopped
	} else if g.problem != nil && len(g.working) == 0 {
		all.State = Failing
	}
	behind := false
	for i, part := range g.parts() {
		s := g.working[part].Status()
		if i == 0 || rank(s.State) < rank(all.State) {
			all.State, all.Since, all.Problem, all.Active = s.State, s.Since, s.Problem, s.Active
			if s.Problem != nil && len(g.working) > 1 {
				named := *s.Problem
				named.What = "lane " + part.Lane() + ": " + named.What
				all.Problem = &named
			}
		}
		if s.State.works() && (!behind || s.Cursor.Before(all.Cursor)) {
			behind, all.Cursor = true, s.Cursor
		}
		all.Published += s.Published
		all.DeadLettered += s.DeadLettered
	}
	return all
}

func (g *Group) heldBy(why *problem.Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = why
}

// rank is which state of several lanes is told: the smallest.
func rank(s State) int {
	return slices.Index([]State{Failing, Running, Starting, Waiting, Standby, Stopped}, s)
}

// LaneStatus is a lane of a Group at one moment.
type LaneStatus struct {
	Lane string
	Status
}

// Lanes tells of each lane that this process works or stands by for.
func (g *Group) Lanes() []LaneStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	var lanes []LaneStatus
	for _, part := range g.parts() {
		lanes = append(lanes, LaneStatus{part.Lane(), g.working[part].Status()})
	}
	return lanes
}

// parts are those that are worked, in order; with mu held.
func (g *Group) parts() []Part {
	return slices.SortedFunc(maps.Keys(g.working), func(a, b Part) int {
		return 1000*(a.Epoch-b.Epoch) + a.Index - b.Index
	})
}

// Lag asks the source for what is not yet published by the lane that is furthest behind,
// of those that this process works. Where it does not know how far they all are, it is the
// one of all lanes, by what is noted of them: see Relay.Lag.
func (g *Group) Lag(ctx context.Context) (Lag, error) {
	at, located := g.position()
	if !located {
		var err error
		if at, err = g.source.Progress(ctx, ""); err != nil {
			return Lag{}, err
		}
	}
	return g.source.Lag(ctx, at)
}

// position is where the lane is that is furthest behind of those that this process works;
// it is not located where there is none, or one of which that is not known.
func (g *Group) position() (at Position, located bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.working {
		reached, known := r.position()
		switch state := r.Status().State; {
		case known && (!located || reached.Before(at)):
			at, located = reached, true
		case !known && (state.works() || state == Starting):
			return Position{}, false
		}
	}
	return at, located
}

func (g *Group) engaged() bool { return g.Status().State.engaged() }

// place is where a lane stands among the layouts.
type place struct {
	Part
	group *Group
	from  Position  // where its layout begins
	clear bool      // the layout before has ended there, as Kafka said when this session began
	took  int       // see Group.prefers; when the lane was claimed
	free  time.Time // since when no one works the lane; zero: that is not known
	// since when this process fails on the lane, and when it has done so last
	fails, failed time.Time
}

const (
	// gatePause is how long a lane waits before it asks again for the layout before, at
	// first and at last: a transaction that is open may hold many lanes up for long.
	gatePause     = 50 * time.Millisecond
	lastGatePause = time.Second
	// gateRead bounds how long one such question waits for open transactions. It may be a
	// killed lane of that layout whose own holds up the answer, and which is then worked
	// again.
	gateRead = time.Second
)

// errNoCursors is that Kafka does not say how far the lanes are.
var errNoCursors = errors.New("the lanes' cursors cannot be read")

// await returns when the lane may publish: it has done so before, or all lanes of
// the layout before have written their last cursor. That is final: whoever begins
// such a lane again reads it, and ends.
func (p *place) await(ctx context.Context, r *Relay) error {
	p.clear, p.from = true, Position{}
	began := time.Now()
	for answered := began; p.Epoch > 0; {
		missing, err := p.look(ctx)
		if len(missing) > 0 {
			p.group.work(missing...) // also where Kafka does not say: one of them may be why
		}
		switch {
		case err == nil && len(missing) == 0:
			return nil
		case err == nil:
			answered = time.Now()
		case !errors.Is(err, errNoCursors) || time.Since(answered) > startTimeout:
			return err
		}
		if len(missing) > 0 {
			r.waitingFor(missing[0].Lane())
		}
		wait(ctx, min(max(time.Since(began)/32, gatePause), lastGatePause))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// look sets from and clear, and returns the lanes that have yet to finish; with
// errNoCursors those that may be why it is not known.
func (p *place) look(ctx context.Context) (missing []Part, err error) {
	asking, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	source := p.group.source
	database, err := source.Database(asking)
	if err != nil {
		return nil, err
	}
	layouts, err := source.Layouts(asking)
	if err != nil {
		return nil, err
	}
	before, own, next, err := neighbours(layouts, p.Epoch)
	if err != nil {
		return nil, lostLayout(err)
	}
	p.from = own.From
	if before == nil {
		return nil, nil
	}
	known, err := p.group.cursors.read(ctx)
	if err != nil {
		return p.suspects(ctx, *before, next), fmt.Errorf("%w: %w", errNoCursors, err)
	}
	if known[cursorKey(database.ID, p.Lane())] != nil {
		p.clear = false
		return nil, nil
	}
	var ends []Position
	for _, lane := range lanesOf(*before) {
		cursor, err := decodeCursor(known[cursorKey(database.ID, lane.Lane())])
		if err != nil {
			return nil, err
		}
		if cursor == nil || !cursor.Last {
			missing = append(missing, lane)
			continue
		}
		ends = append(ends, cursor.Position)
	}
	if len(missing) > 0 {
		return missing, nil
	}
	for _, end := range ends {
		if end != own.From {
			return nil, lostLayout(fmt.Errorf("%w: layout %d begins at %s, the one before has ended at %s", ErrHistory, p.Epoch, own.From, end))
		}
	}
	return nil, nil
}

// suspects are the lanes of the layout before, one of which may be why Kafka does not
// say how far they are. Where it is known that the lane's own layout has ended, those
// have as well: of many past layouts not all are begun anew because Kafka is slow.
func (p *place) suspects(ctx context.Context, before Layout, next *Layout) []Part {
	if next != nil {
		ctx, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		note, err := p.group.source.Noted(ctx, p.Lane())
		if err == nil && !note.Published.Before(next.From) {
			return nil
		}
	}
	return lanesOf(before)
}

// lostLayout explains that Kafka knows of a change of the layout that the database
// does not have.
func lostLayout(cause error) error {
	return &problem.Error{
		What:  "the database was set back behind a change of the relay's lanes (restored from a backup, or failed over with a loss)",
		Cause: cause,
		Next:  "decide what to publish: gmctl serve relay --adopt all (everything stored, again) or --adopt new (only what is stored from now on)",
	}
}
