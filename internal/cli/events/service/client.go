package service

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/importer"
	"github.com/gamemetrics/gmctl/internal/simulate/drive"
	"github.com/gamemetrics/gmctl/pkg/client"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// MaxBatch is how many events the service takes at once.
const MaxBatch = eventapi.MaxBatch

// sendRetry is for a person who waits: at most two seconds.
func sendRetry() client.Retry {
	return client.Retry{Attempts: 3, First: 100 * time.Millisecond, Longest: time.Second}
}

// driveRetry is for load: an event that is not stored after about half a
// minute counts as failed.
func driveRetry() client.Retry {
	return client.Retry{Attempts: 12, First: 50 * time.Millisecond, Longest: 5 * time.Second}
}

// importRetry sits out a restart or a failover: about ten minutes.
func importRetry() client.Retry {
	return client.Retry{Attempts: 65, First: 100 * time.Millisecond, Longest: 10 * time.Second}
}

// Sender returns a client for a single event; testRun, if not empty, marks it
// as a test.
func Sender(to Endpoint, testRun string) (*client.Client, error) {
	options := append(to.options(), client.WithRetry(sendRetry()))
	if testRun != "" {
		options = append(options, client.WithTestRun(testRun))
	}
	return client.New(to.URL, options...)
}

// options are what all requests to the service have in common.
func (e Endpoint) options() []client.Option {
	return []client.Option{client.WithUserAgent("gmctl"), client.WithAPIKey(e.Key.Reveal())}
}

// many returns a client for a number of connections that tells trouble of each
// attempt that is not the last.
func many(to Endpoint, connections int, retry client.Retry, trouble func(cause error)) (*client.Client, error) {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   connections,
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		DisableCompression:    true, // answers are small
	}
	return client.New(to.URL, append(to.options(), client.WithRetry(retry),
		client.WithHTTPClient(&http.Client{Transport: &watched{transport, trouble}}))...)
}

// watched tells of the attempts that will be made again.
type watched struct {
	*http.Transport
	trouble func(cause error)
}

func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := w.Transport.RoundTrip(r)
	switch {
	case err != nil:
		if r.Context().Err() == nil {
			w.trouble(err)
		}
	case response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= http.StatusBadGateway:
		w.trouble(fmt.Errorf("it answers %s", response.Status))
	}
	return response, err
}

// DriveSender returns what hands simulated events to the service; retried is
// called for each attempt that will be made again.
func DriveSender(to Endpoint, connections int, retried func()) (drive.Send, error) {
	c, err := many(to, connections, driveRetry(), func(error) { retried() })
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, events []event.Event) ([]string, error) {
		if len(events) == 1 {
			_, err := c.Send(ctx, events[0])
			if fields, invalid := client.Invalid(err); invalid {
				return []string{(&event.Invalid{Fields: fields}).Error()}, nil
			}
			return nil, short(err)
		}
		results, err := c.SendBatch(ctx, events)
		if err != nil {
			return nil, short(err)
		}
		var rejected []string
		for _, result := range results {
			if result.Status == eventapi.Rejected {
				rejected = append(rejected, (&event.Invalid{Fields: fieldsOf(result)}).Error())
			}
		}
		return rejected, nil
	}, nil
}

// short is an error without what differs from one request to the next, so that
// equal failures are counted as one reason.
func short(err error) error {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return fmt.Errorf("%s (HTTP %d)", e.Message, e.Status)
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		if errors.Is(cause, context.Canceled) {
			return errors.New("given up when interrupted")
		}
		if errors.Unwrap(cause) == nil {
			return cause
		}
	}
	return err
}

// ImportSender returns what hands imported events to the service; trouble is
// told why an attempt will be made again.
func ImportSender(to Endpoint, connections int, trouble func(cause error)) (importer.Sender, error) {
	c, err := many(to, connections, importRetry(), trouble)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, events []event.Event) ([]importer.Outcome, error) {
		outcomes, places := make([]importer.Outcome, len(events)), make([]int, len(events))
		for i := range places {
			places[i] = i
		}
		for {
			results, err := c.SendBatch(ctx, events)
			if err != nil {
				return nil, Explain(err, to.URL)
			}
			var limited []event.Event // they are sent again, in their order
			var their []int
			for i, result := range results {
				if result.Err != nil && result.Err.Status == http.StatusTooManyRequests {
					limited, their = append(limited, events[i]), append(their, places[i])
					continue
				}
				outcomes[places[i]] = outcomeOf(result)
			}
			if len(limited) == 0 {
				return outcomes, nil
			}
			events, places = limited, their
			trouble(fmt.Errorf("%s are too many of their player within a second", humanize.Plural(len(limited), "event")))
			select {
			case <-time.After(limitedPause):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}, nil
}

// limitedPause is the wait before events are sent again that were too many of their
// player: the limits count by the second.
const limitedPause = time.Second

func outcomeOf(result client.Result) importer.Outcome {
	switch result.Status {
	case eventapi.Stored:
		return importer.Outcome{Status: importer.Stored}
	case eventapi.Duplicate:
		return importer.Outcome{Status: importer.Duplicate}
	}
	return importer.Outcome{Status: importer.Rejected, Fields: fieldsOf(result)}
}

func fieldsOf(result client.Result) []event.FieldError {
	switch {
	case result.Err == nil:
		return []event.FieldError{{Code: "rejected", Reason: "is rejected without a reason"}}
	case len(result.Err.Fields) == 0:
		return []event.FieldError{{Code: event.Code(result.Err.Code), Reason: "is rejected: " + result.Err.Message}}
	}
	return result.Err.Fields
}
