package ingestion

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// postBatch answers POST /api/v1/events/batch.
func (s *Server) postBatch(w http.ResponseWriter, r *http.Request) {
	answer, err := s.takeBatch(w, r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	status := http.StatusOK
	if answer.Rejected > 0 {
		status = http.StatusMultiStatus
	}
	writeJSON(w, status, answer)
}

func (s *Server) takeBatch(w http.ResponseWriter, r *http.Request) (answer *eventapi.BatchAnswer, err error) {
	from, err := s.admit(w, r)
	if err != nil {
		return nil, err
	}
	media, err := mediaType(r, eventapi.JSON, eventapi.NDJSON, eventapi.Text)
	if err != nil {
		return nil, err
	}
	b := &batch{server: s, from: from, rules: s.policyOf(r, from)}
	if err := b.receive(w, r, media); err != nil {
		return nil, err
	}
	if err := s.bodies.hold(from.party, b.rejected); err != nil {
		return nil, err
	}
	defer s.bodies.release(from.party, b.rejected) // more are rejected by then
	if err := s.limiter.key(w, from, len(b.answer.Results)); err != nil {
		return nil, err
	}
	wait := b.limitPlayers()
	defer func() { s.limiter.refund(w, r, from, len(b.answer.Results), b.records, err) }()
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.Deadline)
	defer cancel()
	results, err := s.insert(ctx, b.records)
	if err != nil {
		return nil, err
	}
	for i, result := range results {
		b.settle(i, result)
		b.records[i].Metadata = nil // letters may have to wait
	}
	if err := s.keepLetters(ctx, b.letters); err != nil {
		return nil, err
	}
	return &b.answer, nil
}

// batch is a batch on its way through the service.
type batch struct {
	server  *Server
	from    *sender
	rules   policy
	letters []Letter // of the rejected events
	records []Record // the valid events
	places  []int    // of the records in answer.Results
	answer  eventapi.BatchAnswer

	rejected int64 // bytes that the rejected events hold until the answer, about
}

// receive reads the request's events, as read does.
func (b *batch) receive(w http.ResponseWriter, r *http.Request, media string) error {
	body, err := b.server.readBody(w, r, b.from, b.server.config.MaxBatchBody)
	if err != nil {
		return err
	}
	defer b.server.bodies.put(body)
	if media == eventapi.Text && !bytes.HasPrefix(bytes.TrimSpace(body.data), []byte("[")) {
		media = eventapi.NDJSON
	}
	return b.read(body.data, media, b.server.now())
}

// read decodes the events of the body. Those that are not valid are answered
// so; an error means that the body is not a batch.
func (b *batch) read(body []byte, media string, now time.Time) error {
	add := func(data []byte) error {
		if len(b.answer.Results) == b.server.config.MaxBatch {
			return &requestError{
				status: http.StatusRequestEntityTooLarge, code: eventapi.TooManyEvents,
				message: fmt.Sprintf("the batch has more than %d events", b.server.config.MaxBatch),
			}
		}
		b.answer.Results = append(b.answer.Results, eventapi.BatchResult{})
		e, err := b.server.decoder.DecodeNamed(data, now, b.from.namer(len(b.answer.Results)-1))
		if err == nil {
			err = b.server.hold(&e, b.rules.schemas)
		}
		if invalid, ok := errors.AsType[*event.Invalid](err); ok {
			b.reject(len(b.answer.Results)-1, data, invalid)
			return nil
		}
		if err != nil {
			return err
		}
		b.records = append(b.records, b.from.bring(e, now))
		b.places = append(b.places, len(b.answer.Results)-1)
		return nil
	}
	err := each(body, media, add)
	if invalid, ok := errors.AsType[*event.Invalid](err); ok {
		return invalidBatch(invalid.Fields[0].Reason)
	}
	if err == nil && len(b.answer.Results) == 0 {
		return invalidBatch("has no events")
	}
	return err
}

// each calls add with every event of the body.
func each(body []byte, media string, add func([]byte) error) error {
	if media != eventapi.NDJSON {
		return event.Elements(body, add)
	}
	for line := range event.Lines(body) {
		if err := add(line); err != nil {
			return err
		}
	}
	return nil
}

func invalidBatch(reason string) error {
	return &requestError{status: http.StatusBadRequest, code: eventapi.InvalidBatch, message: "the batch " + reason}
}

// settle notes what the store did with the i-th valid event.
func (b *batch) settle(i int, result Result) {
	place, id := b.places[i], b.records[i].EventID.String()
	switch {
	case result.Err != nil:
		b.server.config.Log.Warn("the store refuses an event's data", "eventId", id, "error", result.Err)
		body, _ := b.records[i].Event.AppendJSON(nil)
		b.reject(place, body, unstorable())
	case result.Outcome.conflicts():
		b.answer.Rejected++
		_, failure := b.from.conflict(place, &b.records[i].Event, result.Outcome)
		b.answer.Results[place] = eventapi.BatchResult{Status: eventapi.Rejected, Error: failure}
	case result.Outcome == Duplicate:
		b.answer.Duplicates++
		b.answer.Results[place] = eventapi.BatchResult{Status: eventapi.Duplicate, EventID: id}
	default:
		b.answer.Stored++
		b.answer.Results[place] = eventapi.BatchResult{Status: eventapi.Stored, EventID: id}
	}
}

func (b *batch) reject(place int, body []byte, invalid *event.Invalid) {
	if b.rules.letters {
		b.letters = append(b.letters, letterOf(body, invalid, b.from))
		b.rejected += int64(len(body))
	}
	b.server.metrics.reject(invalid)
	b.answer.Rejected++
	failure := invalidEvent(invalid)
	b.rejected += 4 * int64(len(failure.Message)) // its fields say the same again
	b.answer.Results[place] = eventapi.BatchResult{Status: eventapi.Rejected, Error: failure}
}
