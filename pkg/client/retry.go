package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Retry says how often and how long a request is tried again.
type Retry struct {
	Attempts int           // in all; 1 tries once
	First    time.Duration // the wait before the second attempt, on average; it doubles with each
	Longest  time.Duration // of one wait, also of one that the service asks for
}

// DefaultRetry tries for about a minute: 10 attempts, 50 ms to 15 s apart.
func DefaultRetry() Retry {
	return Retry{Attempts: 10, First: 50 * time.Millisecond, Longest: 15 * time.Second}
}

// wait returns how long to wait after the n-th attempt, from 1, when the service
// asked for some time or for none. Clients that failed together must not come back
// together, so all of it is chance: from nothing to twice the average.
func (r Retry) wait(n int, asked time.Duration, chance func(time.Duration) time.Duration) time.Duration {
	backoff := r.Longest
	if n < 30 && r.First<<n < r.Longest { // First may be 0; a shift by 30 does not overflow it
		backoff = r.First << n
	}
	return min(max(chance(backoff+1), asked+chance(asked/4+1)), r.Longest)
}

// post sends the request until the service takes it or says that it never will.
// It fills answer, if there is one, from a 2xx.
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
