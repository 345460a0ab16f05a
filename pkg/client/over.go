package client

import "time"

// over is a player who is over his rate: his events are held back, in order, while
// those of others go on.
type over struct {
	held     []*entry // empty while they are on their way again
	until    time.Time
	attempts int // in a row of which none of his events was taken
}

// limitedPause is the least wait before events are sent again that were too many
// of their player: the limits count by the second.
const limitedPause = time.Second

// rated notes that events of a batch were settled, and holds those that were too many
// of their players.
func (l *lane) rated(settled, limited []*entry, why error) {
	q := l.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(limited) > 0 {
		q.stats.Retries++
	}
	if len(l.over) > 0 {
		for _, e := range settled {
			delete(l.over, e.player)
		}
	}
	for _, e := range limited {
		o := l.over[e.player]
		if o == nil {
			o = &over{}
			l.over[e.player] = o
		}
		if len(o.held) == 0 {
			o.attempts++
			o.until = time.Now().Add(q.client.wait(o.attempts, why, q.backoff()))
		}
		o.held = append(o.held, e)
	}
}

// pass returns the events of a batch that may be sent: those of players who are over
// their rate come after what is held of them.
func (l *lane) pass(batch []*entry) []*entry {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	if len(l.over) == 0 {
		return batch
	}
	passed := make([]*entry, 0, len(batch))
	for _, e := range batch {
		if o := l.over[e.player]; o != nil && len(o.held) > 0 {
			o.held = append(o.held, e)
			continue
		}
		passed = append(passed, e)
	}
	return passed
}

// release puts what was held for long enough before all that waits, and returns how
// long to wait for more. The caller holds the queue's mu.
func (l *lane) release() (wait time.Duration) {
	wait = time.Hour // the lane is woken before
	for _, o := range l.over {
		if len(o.held) == 0 {
			continue
		}
		if left := time.Until(o.until); left > 0 {
			wait = min(wait, left)
			continue
		}
		for _, e := range o.held {
			l.bytes += len(e.encoded) + 1
		}
		l.pending = append(o.held, l.pending...)
		l.since, o.held = time.Time{}, nil // they waited long enough
	}
	return wait
}

// hurry makes the lane try at once what waits. The caller holds the queue's mu.
func (l *lane) hurry() {
	for _, o := range l.over {
		o.until = time.Time{}
	}
	l.ring()
}
