package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// request is what goes to the service, perhaps more than once.
type request struct {
	url      string
	media    string // of the body
	encoding string // of the body; empty: none
	body     []byte
}

// attemptTimeout is how long one attempt may take, so that a connection whose
// other end is gone without a word does not hold events for ever. The service
// itself answers within seconds.
const attemptTimeout = time.Minute

// longestAnswer is how many bytes of an answer are read: 64 KiB for each event, of
// which the service tells up to 20 fields that are wrong.
const longestAnswer = eventapi.MaxBatch * 64 << 10

// try sends the request once.
func (c *Client) try(ctx context.Context, r request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	out, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	c.setHeader(ctx, out.Header, r)
	response, err := c.http.Do(out)
	if err != nil {
		return fmt.Errorf("the service was not reached: %w", err)
	}
	defer response.Body.Close()
	// Read to the end, so that the connection is used again.
	said, err := io.ReadAll(io.LimitReader(response.Body, longestAnswer))
	if err != nil {
		return fmt.Errorf("the service's answer broke off: %w", err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return refusal(response, said)
	}
	if err := json.Unmarshal(said, answer); err != nil {
		return &Error{Status: response.StatusCode, Message: "the service's answer cannot be read: " + err.Error()}
	}
	return nil
}

func (c *Client) setHeader(ctx context.Context, header http.Header, r request) {
	set := func(name, value string) {
		if value != "" {
			header.Set(name, value)
		}
	}
	set("Content-Type", r.media)
	set("Content-Encoding", r.encoding)
	set("User-Agent", c.userAgent)
	set(eventapi.SentAtHeader, time.Now().UTC().Format(time.RFC3339Nano))
	set(eventapi.TestHeader, c.testRun)
	set("Traceparent", c.traceparent(ctx))
	if c.apiKey != "" {
		header.Set("Authorization", "Bearer "+c.apiKey)
	}
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
	if to, err := response.Location(); err == nil && response.StatusCode < 400 {
		e.Message += ": the URL redirects to " + to.String()
	}
	return e
}

// retryAfter reads the header in both of its forms: seconds, and a date.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int64(math.MaxInt64/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
