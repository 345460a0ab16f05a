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

// wait returns how long to wait after the n-th attempt, from 1, which failed with err:
// what the service asked for, or else a back-off up to a bound. Clients that failed
// together must not come back together, so all of it is chance: from nothing to twice
// the average.
func (c *Client) wait(n int, err error, bound time.Duration) time.Duration {
	backoff := min(bound, c.retry.Longest)
	if c.retry.First < backoff>>n { // else the shift may overflow
		backoff = c.retry.First << n
	}
	var asked time.Duration
	if e, ok := errors.AsType[*Error](err); ok {
		asked = min(e.RetryAfter, c.retry.Longest)
	}
	return min(max(c.chance(backoff), asked+c.chance(asked/4+1)), c.retry.Longest)
}

// post sends the request until the service takes it or says that it never will.
// It fills answer from a 2xx.
func (c *Client) post(ctx context.Context, r request, answer any) error {
	for attempt := 1; ; attempt++ {
		err := c.try(ctx, r, answer)
		if err == nil || ctx.Err() != nil || attempt >= c.retry.Attempts || !retryable(err) {
			return err
		}
		if sleep(ctx, c.wait(attempt, err, c.retry.Longest), nil) != nil {
			return fmt.Errorf("%w; the last attempt: %w", context.Cause(ctx), err)
		}
	}
}

// sleep waits, at most until early is closed. The error is that of ctx, if it ends.
func sleep(ctx context.Context, wait time.Duration, early <-chan struct{}) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-early:
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
