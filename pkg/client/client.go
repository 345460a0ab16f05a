// Package client sends player events to GameMetrics Pro from a game server.
//
//	c, err := client.New("http://127.0.0.1:8080")
//	…
//	err = c.Send(ctx, event.Event{PlayerID: "p1", EventType: "login", Timestamp: time.Now()})
//
// Send and SendBatch return when the events are stored. They try again, with
// the same event ids, when the service is overloaded, unavailable or not
// reached: an event is stored once however often it had to be sent.
//
// A Queue takes events without waiting for the service: it sends them in batches,
// keeps the order of each player's events, and with a Spool loses none of them when
// the process is killed.
package client

import (
	"context"
	"fmt"
	"math/rand/v2"
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
	apiKey        string
	traceparent   func(context.Context) string

	chance func(below time.Duration) time.Duration // from 0, without the bound
}

// New returns a client for the service at baseURL, such as
// https://ingest.example.com. Nothing is sent yet.
func New(baseURL string, options ...Option) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a service, such as https://ingest.example.com", baseURL)
	}
	root := strings.TrimSuffix(base.String(), "/")
	c := &Client{events: root + eventapi.EventsPath, batch: root + eventapi.BatchPath, retry: DefaultRetry(), userAgent: "gamemetrics-go", chance: rand.N[time.Duration]}
	c.traceparent = func(context.Context) string { return "" }
	for _, option := range options {
		option(c)
	}
	c.retry = c.retry.withDefaults()
	if c.http == nil {
		c.http = &http.Client{Transport: transport()}
	}
	own := *c.http
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
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
// one. The error is an *Error if the service refused it. With an error the event may be
// stored all the same; to send it again under that id is safe.
func (c *Client) Send(ctx context.Context, e event.Event) (uuid.UUID, error) {
	if e.EventID == uuid.Nil {
		e.EventID = event.NewID(time.Now())
	}
	body, err := appendEvent(nil, e)
	if err != nil {
		return e.EventID, err
	}
	var answer eventapi.Accepted
	if err := c.post(ctx, request{url: c.events, media: eventapi.JSON, body: body}, &answer); err != nil {
		return e.EventID, err
	}
	if answer.EventID != e.EventID.String() {
		return e.EventID, fmt.Errorf("the service answered for the event %q, not for %s", answer.EventID, e.EventID)
	}
	return e.EventID, nil
}
