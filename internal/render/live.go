package render

import (
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/iostreams"
)

// frameEvery is the time between two frames of the live tree.
const frameEvery = 100 * time.Millisecond

// live shows a run as a tree that is redrawn in place: a line per stage with
// its state, its time and what it does. The last frame stays in the terminal's
// history.
type live struct {
	screen *Screen
	size   func() (columns, rows int)
	now    func() time.Time

	mu       sync.Mutex
	tree     tree
	finished bool

	ticking ticking
}

var _ Progress = (*live)(nil)

func newLive(io *iostreams.IOStreams, now func() time.Time) *live {
	size := func() (int, int) { return io.Width(), io.Height() }
	return &live{
		screen: NewScreen(io.Err, size),
		size:   size,
		now:    now,
		tree:   tree{paint: io.Paint, rows: map[string]*row{}},
	}
}

func (l *live) start() { l.ticking.start(frameEvery, l.frame) }

// Handle takes the event into the next frame; the last event draws the last
// frame at once.
func (l *live) Handle(e engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tree.apply(e)
	if e.Kind == engine.RunDone {
		l.finish()
	}
}

func (l *live) Close() {
	l.ticking.stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finish()
}

func (l *live) frame() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished || l.tree.started.IsZero() {
		return
	}
	columns, rows := l.size()
	l.screen.Draw(l.tree.frame(l.now(), columns, rows-1))
}

func (l *live) finish() {
	if l.finished || l.tree.started.IsZero() {
		return
	}
	l.finished = true
	columns, _ := l.size()
	l.screen.Finish(l.tree.last(l.now(), columns))
}
