package client

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// Result tells what became of one event of a batch.
type Result struct {
	EventID uuid.UUID
	Status  eventapi.Status
	Err     *Error // if Status is Rejected; nil otherwise
}

// SendBatch stores the events, in as many requests as they need, and returns a
// Result for each, in order. Events without an id are given one, in the slice, before
// anything is sent.
//
// With an error the results are those of the events before the request that
// failed; the first len(results) events are settled, and the others may be stored all
// the same: events[len(results):] can be sent again, and each is stored once. A
// rejected event is no error: look at its Result. One that is too many of its player
// (Err.Status 429) can be sent again later; a Queue does so itself.
func (c *Client) SendBatch(ctx context.Context, events []event.Event) ([]Result, error) {
	for i := range events {
		if events[i].EventID == uuid.Nil {
			events[i].EventID = event.NewID(time.Now())
		}
	}
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
		before := len(body)
		if count > 0 {
			body = append(body, ',')
		}
		if body, err = appendEvent(body, e); err != nil {
			return nil, 0, err
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
	if err := c.post(ctx, request{url: c.batch, media: eventapi.JSON, body: body}, &answer); err != nil {
		return nil, err
	}
	if err := complete(answer, len(ids)); err != nil {
		return nil, err
	}
	results := make([]Result, len(ids))
	for i, got := range answer.Results {
		results[i] = Result{EventID: ids[i], Status: got.Status, Err: rejection(got)}
	}
	return results, nil
}

// complete is an error where the service did not answer for every event.
func complete(answer eventapi.BatchAnswer, events int) error {
	if len(answer.Results) != events {
		return &Error{Status: http.StatusOK, Message: fmt.Sprintf("the service answered %d results for %d events", len(answer.Results), events)}
	}
	return nil
}

// rejection is why the service did not take an event; nil where it did.
func rejection(got eventapi.BatchResult) *Error {
	switch {
	case got.Error != nil:
		return &Error{Status: statusOf(got.Error.Code), Code: got.Error.Code, Message: got.Error.Message, Fields: got.Error.Fields}
	case got.Status == eventapi.Stored, got.Status == eventapi.Duplicate:
		return nil
	}
	return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("the service answered %q and no reason", got.Status)}
}

// statusOf is the status with which an event alone would have been answered.
func statusOf(code eventapi.Code) int {
	switch code {
	case eventapi.Conflict:
		return http.StatusConflict
	case eventapi.RateLimited:
		return http.StatusTooManyRequests
	}
	return http.StatusBadRequest
}
