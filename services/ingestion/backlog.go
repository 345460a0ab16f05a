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
	Events int64
	Bytes  int64 // on the store's disk
}

// Relayed tells how much of what is stored waits to be published.
type Relayed interface {
	Backlog(ctx context.Context) (Backlog, error)
}

// ErrBacklogFull is the ErrUnavailable of a disk quota that is used up: Kafka is
// away, or the relay, and what is stored is not published.
var ErrBacklogFull = fmt.Errorf("%w: too much is stored that is not published yet", ErrUnavailable)

// DefaultBacklogQuota is half of the disk that an environment on AWS has at first,
// 20 GiB: the write-ahead log, and what is published, take their share too.
const DefaultBacklogQuota = 10 << 30

// Of the quota: from where GET /ready warns, and down to where events are refused
// once it was full. In between clients would be let in and out in turn.
const (
	backlogWarns = 0.5
	backlogLow   = 0.8
)

const (
	backlogEvery = 2 * time.Second // the store is asked
	// backlogRetryAfter is how long a client that the quota refuses is asked to
	// wait: a relay takes its time.
	backlogRetryAfter = 15 * time.Second
)

// backlogGauge keeps what the store said last. While the store does not answer
// that stays as it is: writes are refused for that reason anyway.
type backlogGauge struct {
	source Relayed // nil: nothing is known and nothing is refused
	quota  int64   // bytes; 0: none
	log    *slog.Logger
	stop   context.CancelFunc // nil: no one asks
	asking sync.WaitGroup

	mu   sync.Mutex
	last Backlog
	full bool
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
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	now, err := g.source.Backlog(ctx)
	if err != nil {
		g.log.Debug("the backlog is not known", "error", err)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.full
	g.last = now
	g.full = g.quota > 0 && (now.Bytes >= g.quota || g.full && float64(now.Bytes) > backlogLow*float64(g.quota))
	switch {
	case g.full && !was:
		g.log.Warn("the backlog quota is used up: events are answered with 503 until the relay has caught up", "bytes", now.Bytes, "events", now.Events, "quota", g.quota)
	case was && !g.full:
		g.log.Info("events are taken again: the relay has caught up", "bytes", now.Bytes, "events", now.Events, "quota", g.quota)
	}
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

func (g *backlogGauge) now() Backlog {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}

// dependency is how GET /ready shows the backlog; ok is false where there is
// nothing to say.
func (g *backlogGauge) dependency() (shown eventapi.Dependency, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shown = eventapi.Dependency{Name: "backlog", Status: eventapi.StatusOK}
	if g.source == nil || g.quota <= 0 {
		return shown, false
	}
	if float64(g.last.Bytes) < backlogWarns*float64(g.quota) && !g.full {
		return shown, true
	}
	shown.Status = eventapi.StatusWarning
	if g.full {
		shown.Status = eventapi.StatusUnavailable
	}
	shown.Reason = fmt.Sprintf("about %s of %s are stored and not published: Kafka or the relay is away or slow",
		humanize.Bytes(g.last.Bytes), humanize.Bytes(g.quota))
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
		"backlog_bytes":       {"Bytes stored and not yet published, estimated.", func() int64 { return g.now().Bytes }},
		"backlog_events":      {"Events stored and not yet published, estimated.", func() int64 { return g.now().Events }},
		"backlog_quota_bytes": {"Bytes of the backlog above which events are refused; 0: none.", func() int64 { return g.quota }},
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
