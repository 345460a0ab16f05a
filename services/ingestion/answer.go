package ingestion

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// retryAfter is how long a refused client is asked to wait.
const retryAfter = time.Second

// responseWriter remembers the status for metrics and logs.
type responseWriter struct {
	http.ResponseWriter
	requestID string
	status    int // 0 until the header is written
}

func (w *responseWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// fail answers that the request failed as a whole.
func (w *responseWriter) fail(status int, code eventapi.Code, message string, fields ...event.FieldError) {
	writeJSON(w, status, eventapi.Failure{
		Error:     eventapi.Error{Code: code, Message: message, Fields: fields},
		RequestID: w.requestID,
	})
}

// requestError is a request that cannot be taken. Handlers return it.
type requestError struct {
	status  int
	code    eventapi.Code
	message string
	fields  []event.FieldError
	header  [2]string // one more header of the answer: name and value
}

func (e *requestError) Error() string { return e.message }

// refuse answers with an error of the body, the events or the store.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	rw := w.(*responseWriter)
	if e, ok := errors.AsType[*requestError](err); ok {
		if e.header[0] != "" {
			rw.Header().Set(e.header[0], e.header[1])
		}
		rw.fail(e.status, e.code, e.message, e.fields...)
		return
	}
	if invalid, ok := errors.AsType[*event.Invalid](err); ok {
		s.metrics.reject(invalid)
		failure := invalidEvent(invalid)
		rw.fail(http.StatusBadRequest, failure.Code, failure.Message, failure.Fields...)
		return
	}
	code, message := eventapi.Unavailable, "the event store is not available or too slow; send the event again"
	wait := retryAfter
	switch {
	case errors.Is(err, ErrOverloaded):
		code, message = eventapi.Overloaded, "too many events wait to be stored; send the event again"
	case errors.Is(err, errCrowded):
		code, message = eventapi.Overloaded, "too many large requests are on their way; send the request again"
	case errors.Is(err, ErrBacklogFull):
		code, message = eventapi.BacklogFull, "too much is stored that cannot be published now; send the event again later"
		wait = backlogRetryAfter
	}
	rw.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	rw.fail(http.StatusServiceUnavailable, code, message)
}

// invalidEvent is how the API tells what is wrong with an event.
func invalidEvent(invalid *event.Invalid) *eventapi.Error {
	return &eventapi.Error{Code: eventapi.InvalidEvent, Message: "the event is not valid: " + invalid.Error(), Fields: invalid.Fields}
}

// conflict is how the API tells that another event is stored in an event's place.
func conflict(e *event.Event, outcome Outcome) *eventapi.Error {
	return &eventapi.Error{
		Code: eventapi.Conflict, Fields: outcome.fields(),
		Message: fmt.Sprintf("another event is stored under the id %s and the timestamp %s: %s",
			e.EventID, e.Timestamp.Format(time.RFC3339Nano), &event.Invalid{Fields: outcome.fields()}),
	}
}

// unstorable is the field error of an event whose data the store refuses. The
// store's own words stay in the log: they may quote what is not the client's.
func unstorable() *event.Invalid {
	return &event.Invalid{Fields: []event.FieldError{{Code: event.CodeUnstorable, Reason: "has a value that the database cannot store"}}}
}

func writeJSON(w http.ResponseWriter, status int, message any) {
	body, err := json.Marshal(message)
	if err != nil {
		panic(err) //nolint:forbidigo // messages are made of strings and numbers, which always encode
	}
	w.Header().Set("Content-Type", eventapi.JSON)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
