package client

import (
	"context"
	"encoding/json"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// Close takes no more events, sends those that wait until ctx ends, and ends all
// that the queue runs. What could not be sent stays in the spool, if there is one;
// else the error is an *UnsentError with these events. The client stays open.
func (q *Queue) Close(ctx context.Context) error {
	q.closing.Do(func() { q.closeErr = q.close(ctx) })
	return q.closeErr
}

func (q *Queue) close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.moved() // who waits for room is told
	q.mu.Unlock()
	_ = q.Flush(ctx) // what is left when it ends is looked at below
	q.abort()
	q.running.Wait()
	if q.log != nil {
		return q.log.Close()
	}
	return q.unsent()
}

// unsent tells of the events that are left in memory. Nothing runs any more.
func (q *Queue) unsent() error {
	q.mu.Lock()
	var left []*entry
	for _, e := range q.window.entries[q.window.first:] {
		if !e.settled {
			left = append(left, e)
		}
	}
	cause := q.trouble()
	q.mu.Unlock()
	if len(left) == 0 {
		return nil
	}
	unsent := &UnsentError{Cause: cause}
	outcomes := make([]Outcome, len(left))
	for i, e := range left {
		outcomes[i] = Outcome{EventID: e.id, Fate: GivenUp, Err: ErrClosed, encoded: e.encoded}
		var decoded event.Event
		if err := json.Unmarshal(e.encoded, &decoded); err == nil { // it was encoded by Enqueue
			unsent.Events = append(unsent.Events, decoded)
		}
	}
	q.settle(left, outcomes)
	return unsent
}
