package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// errGivenUp says that the time is over in which events are tried.
var errGivenUp = errors.New("it was tried for too long")

// deliver sends a batch and settles its events. Those that are too many of their
// player are held, to be sent again before anything that came after them. When the
// queue aborts, what is not settled stays as it is.
func (l *lane) deliver(batch []*entry) {
	if batch = l.pass(batch); len(batch) == 0 {
		return
	}
	now := time.Now()
	for _, e := range batch {
		if e.sent.IsZero() {
			e.sent = now
		}
	}
	answer, err := l.send(batch)
	if err != nil {
		l.fail(batch, err)
		return
	}
	l.settle(batch, answer.Results)
}

// settle notes what the service answered of each event.
func (l *lane) settle(batch []*entry, results []eventapi.BatchResult) {
	settled, outcomes := make([]*entry, 0, len(batch)), make([]Outcome, 0, len(batch))
	var limited []*entry
	var why error
	for i, got := range results {
		e := batch[i]
		o := Outcome{EventID: e.id, Fate: fateOf(got.Status), encoded: e.encoded}
		if refused := rejection(got); refused != nil {
			o.Err = refused
			if refused.Code == eventapi.RateLimited {
				if !l.queue.late(e.sent) {
					refused.RetryAfter = limitedPause
					limited, why = append(limited, e), refused
					continue
				}
				o.Fate, o.Err = GivenUp, fmt.Errorf("%w; the last answer: %w", errGivenUp, refused)
			}
		}
		settled, outcomes = append(settled, e), append(outcomes, o)
	}
	l.rated(settled, limited, why)
	if len(settled) > 0 {
		l.queue.settle(settled, outcomes)
	}
}

// fail deals with a batch that the service does not take as a whole: it is cut in
// two, in order, until the event is found that is in the way.
func (l *lane) fail(batch []*entry, err error) {
	q := l.queue
	switch {
	case q.ctx.Err() != nil:
	case errors.Is(err, errGivenUp) || len(batch) == 1:
		fate := Refused
		if errors.Is(err, errGivenUp) {
			fate = GivenUp
		}
		outcomes := make([]Outcome, len(batch))
		for i, e := range batch {
			outcomes[i] = Outcome{EventID: e.id, Fate: fate, Err: err, encoded: e.encoded}
		}
		q.mu.Lock()
		l.trouble = nil // nothing waits for it any more
		q.mu.Unlock()
		l.rated(batch, nil, nil)
		q.settle(batch, outcomes)
	default:
		half := len(batch) / 2
		l.deliver(batch[:half])
		if q.ctx.Err() == nil {
			l.deliver(batch[half:])
		}
	}
}

// late reports whether events that were first sent at began are tried no more.
func (q *Queue) late(began time.Time) bool {
	return q.config.Spool == nil && time.Since(began) > q.config.GiveUpAfter
}

func fateOf(s eventapi.Status) Fate {
	switch s {
	case eventapi.Stored:
		return Stored
	case eventapi.Duplicate:
		return Duplicate
	}
	return Refused
}

// send sends a batch until it is answered. The error is an *Error that says that
// it is never taken as it is, errGivenUp, or that of the queue's abort.
func (l *lane) send(batch []*entry) (eventapi.BatchAnswer, error) {
	q := l.queue
	p := q.packer()
	request := q.request(p, batch)
	began, faults := time.Now(), 0
	for attempt := 1; ; attempt++ {
		var answer eventapi.BatchAnswer
		err := q.client.try(q.ctx, request, &answer)
		if err == nil {
			err = complete(answer, len(batch))
		}
		if err == nil {
			// Only now is it certain that nothing reads the body any more: net/http
			// may still do so after an attempt that failed.
			q.packers.Put(p)
			q.count(&q.stats.Requests)
			q.worked(&l.trouble)
			return answer, nil
		}
		if isCode(err, eventapi.Internal) {
			faults++
		}
		if q.ctx.Err() != nil || hopeless(err) || faults == mostFaults || unreadable(err) && len(batch) > 1 {
			return answer, err
		}
		if q.late(began) {
			return answer, fmt.Errorf("%w; the last attempt: %w", errGivenUp, err)
		}
		q.count(&q.stats.Retries)
		q.troubled(&l.trouble, err)
		if isCode(err, eventapi.UnsupportedEncoding) && request.encoding != "" {
			q.noCompression()
			p = q.packer()
			request = q.request(p, batch)
			continue
		}
		if err := q.pause(attempt, err); err != nil {
			return answer, context.Cause(q.ctx)
		}
	}
}

// flushBackoff is the longest back-off while a flush waits.
const flushBackoff = time.Second

// pause waits after the n-th attempt, which failed with err, or until the queue aborts.
// A flush that begins ends the wait, so that all is tried once.
func (q *Queue) pause(n int, err error) error {
	q.mu.Lock()
	bound, hurry := q.backoff(), q.hurry
	q.mu.Unlock()
	return sleep(q.ctx, q.client.wait(n, err, bound), hurry)
}

// backoff is the longest back-off now. The caller holds mu.
func (q *Queue) backoff() time.Duration {
	if q.flushing > 0 {
		return flushBackoff
	}
	return q.client.retry.Longest
}

// mostFaults is how often events are sent that the service answers with a fault of
// its own, before they are taken for its cause.
const mostFaults = 5

// hopeless reports whether events are never taken in this request: the service
// itself said so, or whoever it was that it is too large. Anything else passes, even
// if it takes a person: a key that is not valid yet, a wrong URL, a proxy in the way.
func hopeless(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		return true
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		return e.Code != "" && e.Code != eventapi.InvalidHeader && e.Code != eventapi.BodyIncomplete
	}
	return false
}

// unreadable reports whether the answer was that of a success, and not the service's:
// that to fewer events may be.
func unreadable(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status < http.StatusMultipleChoices
}

func isCode(err error, code eventapi.Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// count adds one to a figure of the stats.
func (q *Queue) count(figure *int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*figure++
}

// troubled notes why events cannot be sent, as the trouble of a lane or of the spool.
func (q *Queue) troubled(of *error, err error) {
	q.mu.Lock()
	first := !q.warned
	*of, q.warned = err, true
	q.mu.Unlock()
	if first {
		q.config.Log.Warn("events cannot be sent; they wait", "error", err)
	}
}

// worked notes that a trouble is over.
func (q *Queue) worked(of *error) {
	q.mu.Lock()
	*of = nil
	recovered := q.warned && q.trouble() == nil
	q.warned = q.warned && !recovered
	q.mu.Unlock()
	if recovered {
		q.config.Log.Info("events can be sent again")
	}
}

// trouble is why events cannot be sent now: the spool's, or that of the first lane that
// has any. The caller holds mu.
func (q *Queue) trouble() error {
	if q.unread != nil {
		return q.unread
	}
	for _, l := range q.lanes {
		if l.trouble != nil {
			return l.trouble
		}
	}
	return nil
}

// noCompression sends plain bodies from now on.
func (q *Queue) noCompression() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.plain = true
}
