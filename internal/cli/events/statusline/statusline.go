// Package statusline tells on stderr how a long command goes: one line redrawn
// in place on a terminal, a line now and then in a pipe, JSON objects with
// --log-format json.
package statusline

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// How often progress is shown.
const (
	liveEvery = 200 * time.Millisecond
	lineEvery = 10 * time.Second
)

// Line is a command's status. Its methods may be called concurrently.
type Line struct {
	io   *iostreams.IOStreams
	json bool
	now  func() time.Time

	mu     sync.Mutex
	screen *render.Screen // nil where nothing is redrawn
	live   string
	shown  time.Time // when progress was last shown
}

// Record is one line of --log-format json.
type Record struct {
	APIVersion string    `json:"apiVersion"` // gmctl/v1
	Kind       string    `json:"kind"`       // Event
	Time       time.Time `json:"time"`
	Event      string    `json:"event"` // progress, note or warning
	Message    string    `json:"message"`
	Progress   any       `json:"progress,omitempty"` // figures of a progress, as the command defines them
}

// New returns the status of a command; logFormat is that of --log-format. The
// caller closes it.
func New(io *iostreams.IOStreams, logFormat string, now func() time.Time) (*Line, error) {
	l := &Line{io: io, now: now, shown: now()}
	switch logFormat {
	case "json":
		l.json = true
	case "", "text":
		if io.Live() {
			l.screen = render.NewScreen(io.Err, func() (int, int) { return io.Width(), io.Height() })
		}
	default:
		return nil, &problem.Error{What: fmt.Sprintf("there is no log format %q", logFormat), Next: "choose text or json", Kind: problem.Usage}
	}
	return l, nil
}

// Live reports whether progress is redrawn in place, so that it is worth
// telling it often.
func (l *Line) Live() bool { return l.screen != nil }

// Progress tells how far the work is. What comes faster than it can be shown
// is left out.
func (l *Line) Progress(text string, figures any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	every := lineEvery
	if l.screen != nil {
		every = liveEvery
	}
	if now.Sub(l.shown) < every {
		return
	}
	l.shown = now
	switch {
	case l.json:
		l.record("progress", text, figures)
	case l.screen != nil:
		l.live = text
		l.screen.Draw([]string{text})
	default:
		fmt.Fprintln(l.io.Err, text)
	}
}

// Note tells something that stays.
func (l *Line) Note(text string) { l.say("note", "", text) }

// Warn tells something the user should look at.
func (l *Line) Warn(text string) { l.say("warning", l.io.Paint(iostreams.Yellow, "!")+" ", text) }

func (l *Line) say(event, glyph, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.json:
		l.record(event, text, nil)
	case l.screen != nil && l.live != "":
		l.screen.Finish([]string{glyph + text})
		l.screen.Draw([]string{l.live})
	default:
		fmt.Fprintln(l.io.Err, glyph+text)
	}
}

// Close takes the redrawn line away.
func (l *Line) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.screen != nil && l.live != "" {
		l.screen.Finish(nil)
		l.live = ""
	}
}

func (l *Line) record(event, message string, figures any) {
	encoded, err := json.Marshal(Record{
		APIVersion: render.APIVersion, Kind: "Event", Time: l.now().UTC(), Event: event, Message: message, Progress: figures,
	})
	if err == nil {
		_, _ = l.io.Err.Write(append(encoded, '\n'))
	}
}
