package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Progress shows the events of a run on stderr. Handle is an engine.Sink.
// Close ends what is shown and gives the terminal back; it may be called more
// than once, and must be called also when the run was interrupted.
//
// What failed is shown with its three parts, so a command returns the run's
// error as Shown.
type Progress interface {
	Handle(engine.Event)
	Close()
}

// The formats that --log-format accepts.
const (
	LogText = "text"
	LogJSON = "json"
)

// NewProgress chooses how a run is shown: JSON lines if logFormat says so, a
// live tree on a terminal, plain lines elsewhere. A log format that is not
// known is a problem.Usage.
func NewProgress(io *iostreams.IOStreams, logFormat string) (Progress, error) {
	switch {
	case logFormat == LogJSON:
		return newJSONLines(io.Err), nil
	case logFormat != LogText && logFormat != "":
		return nil, &problem.Error{
			What: fmt.Sprintf("there is no log format %q", logFormat),
			Next: "choose text or json",
			Kind: problem.Usage,
		}
	case io.Live():
		l := newLive(io, time.Now)
		l.start()
		return l, nil
	default:
		l := newLines(io, time.Now)
		l.start()
		return l, nil
	}
}

// phrases are the words of a run in one direction.
type phrases struct {
	running   string // "Bringing up local"
	done      string // of a stage
	unchanged string // of a stage
	succeeded string // of the run
	idle      string // of a run that had nothing to do
	failed    string // of the run
}

func phrasesOf(verb engine.Verb, env string) phrases {
	if verb == engine.VerbDestroy {
		return phrases{
			running:   "Tearing down " + env,
			done:      "removed",
			unchanged: "not there",
			succeeded: env + " is removed",
			idle:      env + " is not there, nothing to remove",
			failed:    env + " is not removed",
		}
	}
	return phrases{
		running:   "Bringing up " + env,
		done:      "ready",
		unchanged: "unchanged",
		succeeded: env + " is up",
		idle:      env + " is up, nothing to change",
		failed:    env + " is not up",
	}
}

// Activity is what a running stage does, in words: a progress bar's numbers
// and the usual time are not in it.
func Activity(u *engine.Update) string {
	message := OneLine(u.Message)
	if u.Kind == engine.UpdateWaiting && !strings.HasPrefix(message, "waiting") {
		message = "waiting for " + message
	}
	return message
}

// activityCount is how far a stage is: "3/6 topics", "12.4 MiB of 30.0 MiB",
// or empty where the update counts nothing.
func activityCount(u *engine.Update) string {
	switch {
	case u.Done == 0 && u.Total == 0:
		return ""
	case u.Unit == "bytes" && u.Total > 0:
		return humanize.Bytes(u.Done) + " of " + humanize.Bytes(u.Total)
	case u.Unit == "bytes":
		return humanize.Bytes(u.Done)
	case u.Total > 0:
		return strings.TrimSpace(humanize.Count(u.Done) + "/" + humanize.Count(u.Total) + " " + u.Unit)
	default:
		return strings.TrimSpace(humanize.Count(u.Done) + " " + u.Unit)
	}
}

// usual says how long a wait tends to take, and after twice that also that it
// is longer than usual. waited is how long it has lasted.
func usual(u *engine.Update, waited time.Duration) string {
	switch {
	case u.Kind != engine.UpdateWaiting || u.Usually <= 0:
		return ""
	case waited > 2*u.Usually && waited > time.Second:
		return fmt.Sprintf("(%s, longer than the usual %s)", humanize.Elapsed(waited), humanize.Usually(u.Usually))
	default:
		return fmt.Sprintf("(usually %s)", humanize.Usually(u.Usually))
	}
}

// tally counts how a run's stages ended.
type tally struct{ done, unchanged, failed, blocked, cancelled, excluded int }

// idle reports whether the run found nothing to do.
func (t tally) idle() bool {
	return t.done+t.failed+t.blocked+t.cancelled == 0
}

// words is the tally in words: "5 ready, 2 unchanged".
func (t tally) words(p phrases) string {
	var parts []string
	for _, part := range []struct {
		n    int
		word string
	}{
		{t.failed, "failed"},
		{t.blocked, "not tried"},
		{t.cancelled, "interrupted"},
		{t.done, p.done},
		{t.unchanged, p.unchanged},
		{t.excluded, "left out"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.word))
		}
	}
	return strings.Join(parts, ", ")
}

// summary is the run's last line, without glyph and time.
func summary(verb engine.Verb, env string, t tally, failed bool) string {
	p := phrasesOf(verb, env)
	switch {
	case failed && t.words(p) == "":
		return p.failed
	case failed:
		return p.failed + ": " + t.words(p)
	case t.idle():
		return p.idle
	default:
		return p.succeeded + ": " + t.words(p)
	}
}

// sameProblem reports whether a and b would read the same, so that the second
// need not be shown.
func sameProblem(a, b *problem.Error) bool {
	return a != nil && b != nil && a.Error() == b.Error()
}
