package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
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

// wait returns how long to wait after the n-th attempt, from 1. Clients that
// failed together must not come back together, so half of it is chance.
func (r Retry) wait(n int, asked time.Duration) time.Duration {
	backoff := r.Longest
	if n < 30 && r.First<<(n-1) < r.Longest {
		backoff = r.First << (n - 1)
	}
	jittered := backoff/2 + rand.N(backoff+1)
	return min(max(jittered, asked+rand.N(asked/4+1)), r.Longest)
}

// post sends the body until the service takes it or says that it never will.
// It fills answer, if there is one, from a 2xx.
func (c *Client) post(ctx context.Context, url string, body []byte, answer any) error {
	for attempt := 1; ; attempt++ {
		err := c.try(ctx, url, body, answer)
		if err == nil || ctx.Err() != nil || attempt >= c.retry.Attempts || !retryable(err) {
			return err
		}
		var asked time.Duration
		if e, ok := errors.AsType[*Error](err); ok {
			asked = e.RetryAfter
		}
		timer := time.NewTimer(c.retry.wait(attempt, asked))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w; the last attempt: %w", context.Cause(ctx), err)
		}
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

func (c *Client) try(ctx context.Context, url string, body []byte, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", eventapi.JSON)
	request.Header.Set("User-Agent", c.userAgent)
	if c.testRun != "" {
		request.Header.Set(eventapi.TestHeader, c.testRun)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("the service was not reached: %w", err)
	}
	defer response.Body.Close()
	// Read to the end, so that the connection is used again.
	const longest = 4 << 20
	said, err := io.ReadAll(io.LimitReader(response.Body, longest))
	if err != nil {
		return fmt.Errorf("the service's answer broke off: %w", err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return refusal(response, said)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(said, answer); err != nil {
		return &Error{Status: response.StatusCode, Message: "the service's answer cannot be read: " + err.Error()}
	}
	return nil
}

// refusal is the error of an answer that is not 2xx, from the service or from
// something on the way to it.
func refusal(response *http.Response, said []byte) *Error {
	e := &Error{Status: response.StatusCode, RequestID: response.Header.Get(eventapi.RequestIDHeader), RetryAfter: retryAfter(response.Header)}
	var failure eventapi.Failure
	if err := json.Unmarshal(said, &failure); err == nil && failure.Error.Code != "" {
		e.Code, e.Message, e.Fields = failure.Error.Code, failure.Error.Message, failure.Error.Fields
		return e
	}
	e.Message = "the answer was " + response.Status + ", not from the events service"
	return e
}

// retryAfter reads the header in both of its forms: seconds, and a date.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
