package ingestion

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// Backlog is what is stored and not yet published, as an estimate.
type Backlog struct {
	Events  int64
	Bytes   int64 // on the store's disk, with the letters
	Letters int64 // bytes, of those, of rejected events that are kept
}

// Relayed tells how much of what is stored waits to be published.
type Relayed interface {
	// Backlog returns an estimate. Its error is shown to the readers of GET /ready
	// and so holds no secret.
	Backlog(ctx context.Context) (Backlog, error)
}

// ErrBacklogFull is the ErrUnavailable of a disk quota that is used up: Kafka is
// away, or the relay, and what is stored is not published.
var ErrBacklogFull = fmt.Errorf("%w: too much is stored that is not published yet", ErrUnavailable)

// DefaultBacklogQuota is half of the disk that an environment on AWS has at first,
// 20 GiB: the write-ahead log, and what is published, take their share too.
const DefaultBacklogQuota = 10 << 30

// Of the quota: from where GET /ready warns, what letters may take of it, so that a
// client that sends rubbish leaves room for events, and down to where is refused what
// was too much once. In between clients would be let in and out in turn.
const (
	backlogWarns   = 0.5
	backlogLetters = 0.25
	backlogLow     = 0.8
)

const (
	backlogsAtOnce = 1               // who asks waits for the answer
	backlogEvery   = 2 * time.Second // the store is asked
	// backlogRetryAfter is how long a client that the quota refuses is asked to
	// wait: a relay takes its time.
	backlogRetryAfter = 15 * time.Second
)

// backlogUnknown is from how many questions in a row without an answer on the backlog is
// not known: that is logged, and GET /ready warns.
const backlogUnknown = 3

// backlogGauge keeps what the store said last. While the store does not answer
// that stays as it is: writes are refused for that reason anyway, and where they are
// not, it is better to go on than to refuse them for what nobody knows.
type backlogGauge struct {
	source Relayed // nil: nothing is known and nothing is refused
	quota  int64   // bytes; 0: none
	log    *slog.Logger
	stop   context.CancelFunc // nil: no one asks
	asking sync.WaitGroup

	mu      sync.Mutex
	last    Backlog
	failed  int   // questions in a row without an answer
	failure error // of the last of them
	full    bool
	letters bool // they have used up their part
}

// watch asks the source again and again until close.
func (g *backlogGauge) watch(every time.Duration) {
	if g.source == nil {
		return
	}
	var ctx context.Context
	ctx, g.stop = context.WithCancel(context.Background())
	g.asking.Go(func() {
		for ctx.Err() == nil {
			g.ask(ctx, every)
			select {
			case <-ctx.Done():
			case <-time.After(every):
			}
		}
	})
}

func (g *backlogGauge) close() {
	if g.stop != nil {
		g.stop()
	}
	g.asking.Wait()
}

func (g *backlogGauge) ask(ctx context.Context, within time.Duration) {
	asking, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	now, err := g.source.Backlog(asking)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			g.fail(err)
		}
		return
	}
	if g.failed >= backlogUnknown {
		g.log.Info("it is known again how much is stored and not published")
	}
	g.failed, g.failure = 0, nil
	full, letters := g.full, g.letters
	g.last = now
	g.full = g.over(full, now.Bytes, 1)
	g.letters = g.over(letters, now.Letters, backlogLetters)
	figures := []any{"bytes", now.Bytes, "events", now.Events, "letters", now.Letters, "quota", g.quota}
	switch {
	case g.full && !full:
		g.log.Warn("the backlog quota is used up: events are answered with 503 until the relay has caught up", figures...)
	case g.letters && !letters:
		g.log.Warn("rejected events have used up their part of the backlog quota: they are answered with 503 until the relay has caught up", figures...)
	case full && !g.full:
		g.log.Info("events are taken again: the relay has caught up", figures...)
	case letters && !g.letters:
		g.log.Info("rejected events are kept again: the relay has caught up", figures...)
	}
}

// fail notes that the store did not answer.
func (g *backlogGauge) fail(err error) {
	if g.failed, g.failure = g.failed+1, err; g.failed == backlogUnknown {
		g.log.Warn("it is not known how much is stored and not published: metrics and quota of the backlog go by what was known last", "error", err)
	}
}

// over reports whether bytes are too many for a part of the quota, where they were or
// were not before.
func (g *backlogGauge) over(was bool, bytes int64, part float64) bool {
	limit := part * float64(g.quota)
	return g.quota > 0 && (float64(bytes) >= limit || was && float64(bytes) > backlogLow*limit)
}

// err is ErrBacklogFull while events are refused.
func (g *backlogGauge) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.full {
		return ErrBacklogFull
	}
	return nil
}

// letterErr is ErrBacklogFull while no letters are kept.
func (g *backlogGauge) letterErr() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.full || g.letters {
		return ErrBacklogFull
	}
	return nil
}

func (g *backlogGauge) now() Backlog {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}

// dependency is how GET /ready shows the backlog; ok is false where there is
// nothing to say. It never makes the service unready: no replica has more room, and
// without one clients would get no 503 that says when to come again.
func (g *backlogGauge) dependency() (shown eventapi.Dependency, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shown = eventapi.Dependency{Name: "backlog", Status: eventapi.StatusOK}
	if g.source == nil || g.quota <= 0 {
		return shown, false
	}
	switch {
	case g.failed >= backlogUnknown:
		shown.Reason = fmt.Sprintf("how much is stored and not published is not known, and the quota of %s holds for what was known last: %v",
			humanize.Bytes(g.quota), g.failure)
	case g.full, g.letters, float64(g.last.Bytes) >= backlogWarns*float64(g.quota):
		shown.Reason = fmt.Sprintf("about %s of %s are stored and not published: Kafka or the relay is away or slow",
			humanize.Bytes(g.last.Bytes), humanize.Bytes(g.quota))
	default:
		return shown, true
	}
	shown.Status = eventapi.StatusWarning
	switch {
	case g.full:
		shown.Reason += "; events are answered with 503"
	case g.letters:
		shown.Reason += fmt.Sprintf("; %s are rejected events, and more of them are answered with 503", humanize.Bytes(g.last.Letters))
	}
	return shown, true
}

// measured adds the backlog to the metrics.
func (g *backlogGauge) measured(registry prometheus.Registerer) error {
	if g.source == nil {
		return nil
	}
	for name, figure := range map[string]struct {
		help string
		of   func() int64
	}{
		"backlog_bytes":         {"Bytes stored and not yet published, estimated.", func() int64 { return g.now().Bytes }},
		"backlog_events":        {"Events stored and not yet published, estimated.", func() int64 { return g.now().Events }},
		"backlog_letters_bytes": {"Bytes of rejected events kept and not yet published, among backlog_bytes, estimated.", func() int64 { return g.now().Letters }},
		"backlog_quota_bytes":   {"Bytes of the backlog above which events are refused; 0: none.", func() int64 { return g.quota }},
	} {
		err := registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "gamemetrics", Subsystem: "ingestion", Name: name, Help: figure.help,
		}, func() float64 { return float64(figure.of()) }))
		if err != nil {
			return err
		}
	}
	return nil
}
