package client

import (
	"context"
	"net/http"
)

// Option configures a Client.
type Option func(*Client)

// WithHTTPClient uses a copy of the caller's client instead of one that is tuned for
// many connections to one host. Its CheckRedirect is not asked: no redirect is followed.
func WithHTTPClient(c *http.Client) Option { return func(client *Client) { client.http = c } }

// WithRetry replaces DefaultRetry.
func WithRetry(r Retry) Option { return func(client *Client) { client.retry = r } }

// WithTestRun marks all events as a test: they are stored and published, and
// consumers skip them. The id is 1 to 128 letters, digits, '.', '_', ':', '-'.
func WithTestRun(id string) Option { return func(client *Client) { client.testRun = id } }

// WithUserAgent names the sender to the service.
func WithUserAgent(name string) Option { return func(client *Client) { client.userAgent = name } }

// WithAPIKey sends the key of a game with every request.
func WithAPIKey(key string) Option { return func(client *Client) { client.apiKey = key } }

// WithTraceparent names the trace that a request belongs to, in the form of W3C
// Trace Context. It is asked with the context of Send or SendBatch, and by a Queue with
// one that is no caller's; empty sends none.
func WithTraceparent(of func(context.Context) string) Option {
	return func(client *Client) { client.traceparent = of }
}
