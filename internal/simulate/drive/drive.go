// Package drive sends a stream of events at a chosen rate and measures the
// answers.
//
// The load is open: each request has a moment at which it is due, fixed before
// the run, and its latency counts from that moment and not from when a
// connection became free for it. A service that stalls therefore shows the
// stall in every request that had to wait, as its players would see it.
//
// The events of one player go over one connection, one after the other, so
// they arrive in the order in which they happened.
package drive

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// Send hands the events of one request to the service, and tries again what
// may succeed later. It returns why the service rejected events, one reason
// for each rejected one, and an error when all of them failed for good.
type Send func(ctx context.Context, events []event.Event) (rejected []string, err error)

// Options say what to send and how fast.
type Options struct {
	// Next returns the next event to send, stamped for the moment it is due;
	// false: there are no more.
	Next func(due time.Time) (event.Event, bool)
	Send Send

	Rate     float64       // events per second; 0: as fast as the answers come
	Count    int64         // events to send; 0: no limit
	Duration time.Duration // after which no event is due any more, warmup included; 0: no limit
	Warmup   time.Duration // at the start, sent but not measured

	Connections int           // requests on their way at a time; at least 1
	Batch       int           // events of a request; at least 1
	Grace       time.Duration // how long requests on their way may take to end after ctx did
	// Patience is how long, once no event is due any more, the run waits without an
	// answer of success before it gives up what is still to be sent; 0: for ever.
	Patience time.Duration
}

const (
	// queued is how many requests wait per connection before the pacer waits
	// too. What is due meanwhile is late, and counted as such.
	queued = 64
	// early is how much before it is due a request may go, so that the pacer
	// need not wake for each; it then counts as due when it goes.
	early = 500 * time.Microsecond
	// linger is how long an event waits for its batch to fill.
	linger = 500 * time.Millisecond
)

// request is what a connection sends at once.
type request struct {
	events []event.Event
	due    time.Time // zero: as soon as a connection is free
}

// Run sends until the count or the duration is reached or ctx ends, waits for
// the answers, and counts into tally. An early end by ctx is no error.
func Run(ctx context.Context, opts Options, tally *Tally) {
	opts.Connections, opts.Batch = max(opts.Connections, 1), max(opts.Batch, 1)
	sending, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	defer context.AfterFunc(ctx, func() { time.AfterFunc(opts.Grace, func() { abort(nil) }) })()

	tally.begin(opts.Warmup)
	p := &pacer{opts: opts, tally: tally, seed: maphash.MakeSeed(), began: time.Now()}
	var connections sync.WaitGroup
	for range opts.Connections {
		lane := &lane{queue: make(chan request, queued)}
		p.lanes = append(p.lanes, lane)
		connections.Go(func() {
			for r := range lane.queue {
				if ctx.Err() != nil || sending.Err() != nil {
					tally.notSent(len(r.events))
					continue
				}
				send(sending, opts.Send, r, tally)
			}
		})
	}
	p.run(ctx)
	for _, lane := range p.lanes {
		close(lane.queue)
	}
	stop := giveUp(opts.Patience, tally, abort)
	connections.Wait()
	stop()
	tally.end()
}

// errNoProgress is why requests were given up after the end of the run.
var errNoProgress = errors.New("the run was over and nothing was stored any more")

// giveUp aborts the requests that are left when for so long none has succeeded,
// until the returned function is called.
func giveUp(patience time.Duration, tally *Tally, abort context.CancelCauseFunc) (stop func()) {
	if patience <= 0 {
		return func() {}
	}
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for before := int64(-1); ; {
			now := tally.stored.Load() + tally.rejected.Load()
			if now == before {
				abort(errNoProgress)
				return
			}
			before = now
			select {
			case <-done:
				return
			case <-time.After(patience):
			}
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

func send(ctx context.Context, do Send, r request, tally *Tally) {
	if r.due.IsZero() {
		r.due = time.Now()
	}
	rejected, err := do(ctx, r.events)
	tally.answered(r, time.Now(), rejected, err)
}

// lane is the way to one connection.
type lane struct {
	queue  chan request
	filled []event.Event // of the next batch
	since  time.Time     // when the first of them was due
}

// pacer makes events when they are due and puts them on the lane of their player.
type pacer struct {
	opts  Options
	tally *Tally
	seed  maphash.Seed
	lanes []*lane
	began time.Time
	swept time.Time // when batches were last looked through for lingering events

	exhausted bool // there are no more events
}

func (p *pacer) run(ctx context.Context) {
	var end time.Time
	if p.opts.Duration > 0 {
		end = p.began.Add(p.opts.Duration)
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	n := int64(0)
	for ; p.opts.Count == 0 || n < p.opts.Count; n++ {
		due := p.due(n)
		now := time.Now()
		if !end.IsZero() && (!due.Before(end) || now.After(end)) {
			break
		}
		switch wait := due.Sub(now); {
		case wait > early:
			p.sweep(ctx, now)
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		case wait > 0:
			due = now
		}
		if ctx.Err() != nil {
			break
		}
		e, more := p.opts.Next(due)
		if !more {
			p.exhausted = true
			break
		}
		if !p.put(ctx, e, due) {
			break
		}
	}
	for _, lane := range p.lanes {
		p.flush(ctx, lane, time.Now())
	}
	p.tally.due(p.planned(n))
}

// due is when the n-th event is due.
func (p *pacer) due(n int64) time.Time {
	if p.opts.Rate == 0 {
		return time.Now()
	}
	return p.began.Add(time.Duration(float64(n) / p.opts.Rate * float64(time.Second)))
}

// planned is how many events should have been sent by now, of which n were.
func (p *pacer) planned(n int64) int64 {
	if p.opts.Rate == 0 || p.exhausted {
		return n
	}
	elapsed := time.Since(p.began)
	if p.opts.Duration > 0 {
		elapsed = min(elapsed, p.opts.Duration)
	}
	planned := int64(elapsed.Seconds() * p.opts.Rate)
	if p.opts.Count > 0 {
		planned = min(planned, p.opts.Count)
	}
	return max(planned, n)
}

func (p *pacer) put(ctx context.Context, e event.Event, due time.Time) bool {
	lane := p.lanes[maphash.String(p.seed, e.PlayerID)%uint64(len(p.lanes))]
	if len(lane.filled) == 0 {
		lane.filled = make([]event.Event, 0, p.opts.Batch)
		lane.since = due
	}
	lane.filled = append(lane.filled, e)
	return len(lane.filled) < p.opts.Batch || p.flush(ctx, lane, due)
}

// sweep sends batches that have waited long enough.
func (p *pacer) sweep(ctx context.Context, now time.Time) {
	if p.opts.Batch == 1 || now.Sub(p.swept) < linger/5 {
		return
	}
	p.swept = now
	for _, lane := range p.lanes {
		if len(lane.filled) > 0 && now.Sub(lane.since) > linger {
			p.flush(ctx, lane, now)
		}
	}
}

// flush puts a lane's batch on its queue; false when ctx ended before.
func (p *pacer) flush(ctx context.Context, lane *lane, due time.Time) bool {
	if len(lane.filled) == 0 {
		return true
	}
	r := request{events: lane.filled, due: due}
	if p.opts.Rate == 0 {
		r.due = time.Time{}
	}
	lane.filled = nil
	select {
	case lane.queue <- r:
		return true
	case <-ctx.Done():
		p.tally.notSent(len(r.events))
		return false
	}
}
