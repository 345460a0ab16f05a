package client

import (
	"time"
)

// lane is one way to the service: what is on it arrives in order, one request
// after the other. All events of a player take the same.
type lane struct {
	queue   *Queue
	wake    chan struct{} // there may be something to do
	pending []*entry      // guarded by the queue's mu, as the following
	bytes   int           // of the bodies of pending
	since   time.Time     // when the first of pending came
	trouble error         // why its events cannot be sent now
	over    map[uint64]*over
}

// push is called with the queue's mu held.
func (l *lane) push(e *entry) {
	if len(l.pending) == 0 {
		l.since = time.Now()
		l.ring()
	}
	l.pending = append(l.pending, e)
	l.bytes += len(e.encoded) + 1
	if l.full() {
		l.ring()
	}
}

// full reports whether pending fills a request.
func (l *lane) full() bool {
	return len(l.pending) >= l.queue.config.MaxEvents || l.bytes >= l.queue.config.MaxBytes
}

func (l *lane) ring() {
	select {
	case l.wake <- struct{}{}:
	default: // it is rung already
	}
}

// run sends what comes, until the queue aborts.
func (l *lane) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for l.queue.ctx.Err() == nil {
		batch, wait := l.take()
		if len(batch) > 0 {
			l.deliver(batch)
			continue
		}
		timer.Reset(wait)
		select {
		case <-l.wake:
		case <-timer.C:
		case <-l.queue.ctx.Done():
		}
	}
}

// take returns the events of the next request, or how long to wait for it.
func (l *lane) take() (batch []*entry, wait time.Duration) {
	q := l.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	wait = l.release()
	if len(l.pending) == 0 {
		return nil, wait
	}
	if left := q.config.Linger - time.Since(l.since); left > 0 && !l.full() && q.flushing == 0 {
		return nil, min(wait, left)
	}
	count, bytes := 0, 0
	for _, e := range l.pending[:min(len(l.pending), q.config.MaxEvents)] {
		if bytes += len(e.encoded) + 1; bytes > q.config.MaxBytes+1 && count > 0 { // the last one needs no line end
			bytes -= len(e.encoded) + 1
			break
		}
		count++
	}
	batch = l.pending[:count:count]
	l.pending = l.pending[count:]
	l.bytes -= bytes
	l.since = time.Now() // what is left has waited for its turn, and may wait for company
	return batch, 0
}
