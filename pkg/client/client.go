// Package client sends player events to GameMetrics Pro from a game server.
//
//	c, err := client.New("http://127.0.0.1:8080")
//	…
//	err = c.Send(ctx, event.Event{PlayerID: "p1", EventType: "login", Timestamp: time.Now()})
//
// Send and SendBatch return when the events are stored. They try again, with
// the same event ids, when the service is overloaded, unavailable or not
// reached: an event is stored once however often it had to be sent.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// Client sends events. It is safe for use by several goroutines; make one and
// share it.
type Client struct {
	events, batch string // URLs
	http          *http.Client
	retry         Retry
	testRun       string
	userAgent     string
}

// Option configures a Client.
type Option func(*Client)

// WithHTTPClient uses a client of the caller's instead of one that is tuned for
// many connections to one host.
func WithHTTPClient(c *http.Client) Option { return func(client *Client) { client.http = c } }

// WithRetry replaces DefaultRetry.
func WithRetry(r Retry) Option { return func(client *Client) { client.retry = r } }

// WithTestRun marks all events as a test: they are stored and published, and
// consumers skip them. The id is 1 to 128 letters, digits, '.', '_', ':', '-'.
func WithTestRun(id string) Option { return func(client *Client) { client.testRun = id } }

// WithUserAgent names the sender to the service.
func WithUserAgent(name string) Option { return func(client *Client) { client.userAgent = name } }

// New returns a client for the service at baseURL, such as
// https://ingest.example.com. Nothing is sent yet.
func New(baseURL string, options ...Option) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a service, such as https://ingest.example.com", baseURL)
	}
	root := strings.TrimSuffix(base.String(), "/")
	c := &Client{events: root + eventapi.EventsPath, batch: root + eventapi.BatchPath, retry: DefaultRetry(), userAgent: "gamemetrics-go"}
	for _, option := range options {
		option(c)
	}
	if c.http == nil {
		c.http = &http.Client{Transport: transport()}
	}
	return c, nil
}

// transport keeps enough idle connections for a game server that sends from
// many goroutines: the standard library keeps two per host, and would dial
// anew for nearly every request.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns = 512
	t.MaxIdleConnsPerHost = 512
	t.IdleConnTimeout = 90 * time.Second // the service keeps them for 2 minutes
	t.ResponseHeaderTimeout = 30 * time.Second
	return t
}

// Close closes the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Send stores one event and returns its id. An event without an id is given
// one. The error is an *Error if the service answered.
func (c *Client) Send(ctx context.Context, e event.Event) (uuid.UUID, error) {
	if e.EventID == uuid.Nil {
		e.EventID = event.NewID(time.Now())
	}
	body, err := e.AppendJSON(nil)
	if err != nil {
		return e.EventID, fmt.Errorf("the event cannot be encoded: %w", err)
	}
	return e.EventID, c.post(ctx, c.events, body, nil)
}

// Result tells what became of one event of a batch.
type Result struct {
	EventID uuid.UUID
	Status  eventapi.Status
	Err     *Error // if Status is Rejected; nil otherwise
}

// SendBatch stores the events, in as many requests as they need, and returns a
// Result for each, in order. Events without an id are given one.
//
// With an error the results are those of the events before the request that
// failed; the first len(results) events are settled, and the others can be sent
// again. A rejected event is no error: look at its Result.
func (c *Client) SendBatch(ctx context.Context, events []event.Event) ([]Result, error) {
	results := make([]Result, 0, len(events))
	ids := make([]uuid.UUID, 0, min(len(events), eventapi.MaxBatch))
	for len(events) > 0 {
		body, count, err := c.encode(events, ids[:0])
		if err != nil {
			return results, err
		}
		ids = ids[:count]
		settled, err := c.sendBatch(ctx, body, ids)
		results = append(results, settled...)
		if err != nil {
			return results, err
		}
		events = events[count:]
	}
	return results, nil
}

// encode returns an array of as many events as one request takes, and how many
// these are. It appends their ids to ids.
func (c *Client) encode(events []event.Event, ids []uuid.UUID) (body []byte, count int, err error) {
	body = append(body, '[')
	for _, e := range events[:min(len(events), eventapi.MaxBatch)] {
		if e.EventID == uuid.Nil {
			e.EventID = event.NewID(time.Now())
		}
		before := len(body)
		if count > 0 {
			body = append(body, ',')
		}
		if body, err = e.AppendJSON(body); err != nil {
			return nil, 0, fmt.Errorf("an event of the batch cannot be encoded: %w", err)
		}
		if len(body)+1 > eventapi.MaxBatchBody && count > 0 {
			body = body[:before]
			break
		}
		ids = append(ids, e.EventID)
		count++
	}
	return append(body, ']'), count, nil
}

func (c *Client) sendBatch(ctx context.Context, body []byte, ids []uuid.UUID) ([]Result, error) {
	var answer eventapi.BatchAnswer
	if err := c.post(ctx, c.batch, body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Results) != len(ids) {
		return nil, fmt.Errorf("the service answered %d results for %d events", len(answer.Results), len(ids))
	}
	results := make([]Result, len(ids))
	for i, got := range answer.Results {
		results[i] = Result{EventID: ids[i], Status: got.Status}
		if got.Error != nil {
			results[i].Err = &Error{Status: http.StatusBadRequest, Code: got.Error.Code, Message: got.Error.Message, Fields: got.Error.Fields}
		}
	}
	return results, nil
}

// Error is what the service said about a request or an event that it did not take.
type Error struct {
	Status     int                // HTTP
	Code       eventapi.Code      // empty if the answer was not the service's own, as from a proxy
	Message    string             // for people
	Fields     []event.FieldError // each invalid field
	RequestID  string             // names the request in the service's log
	RetryAfter time.Duration      // how long the service asks to wait; 0: it does not say
}

func (e *Error) Error() string {
	if e.RequestID == "" {
		return e.Message
	}
	return fmt.Sprintf("%s (HTTP %d, request %s)", e.Message, e.Status, e.RequestID)
}

// Invalid reports whether err says that an event is not valid, so that sending
// it again is of no use, and which fields are wrong.
func Invalid(err error) ([]event.FieldError, bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != eventapi.InvalidEvent {
		return nil, false
	}
	return e.Fields, true
}
