package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Retry says how often and how long a request is tried again. Any zero field means
// its default.
type Retry struct {
	Attempts int           // in all; 1 tries once; 10
	First    time.Duration // the wait before the second attempt, on average; it doubles with each; 50 ms
	Longest  time.Duration // of one wait, also where the service asks for a longer one; 15 s
}

// DefaultRetry makes 10 attempts. Where each fails at once these take about 20 s;
// no wait is longer than 15 s.
func DefaultRetry() Retry {
	return Retry{Attempts: 10, First: 50 * time.Millisecond, Longest: 15 * time.Second}
}

func (r Retry) withDefaults() Retry {
	standard := DefaultRetry()
	r.Attempts = orDefault(r.Attempts, standard.Attempts)
	r.First = orDefault(r.First, standard.First)
	r.Longest = orDefault(r.Longest, standard.Longest)
	return r
}

// wait returns how long to wait after the n-th attempt, from 1, when the service
// asked for some time or for none. Clients that failed together must not come back
// together, so all of it is chance: from nothing to twice the average.
func (r Retry) wait(n int, asked time.Duration, chance func(time.Duration) time.Duration) time.Duration {
	backoff := r.Longest
	if r.First < r.Longest>>n { // else the shift may overflow
		backoff = r.First << n
	}
	asked = min(asked, r.Longest)
	return min(max(chance(backoff), asked+chance(asked/4+1)), r.Longest)
}

// post sends the request until the service takes it or says that it never will.
// It fills answer from a 2xx.
func (c *Client) post(ctx context.Context, r request, answer any) error {
	for attempt := 1; ; attempt++ {
		err := c.try(ctx, r, answer)
		if err == nil || ctx.Err() != nil || attempt >= c.retry.Attempts || !retryable(err) {
			return err
		}
		if c.pause(ctx, attempt, err) != nil {
			return fmt.Errorf("%w; the last attempt: %w", context.Cause(ctx), err)
		}
	}
}

// pause waits after the n-th attempt, which failed with err, or until ctx ends.
func (c *Client) pause(ctx context.Context, n int, err error) error {
	var asked time.Duration
	if e, ok := errors.AsType[*Error](err); ok {
		asked = e.RetryAfter
	}
	timer := time.NewTimer(c.retry.wait(n, asked, c.chance))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryable reports whether the same request may succeed later. What is not an
// answer of the service is a failure to reach it.
func retryable(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return true
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
