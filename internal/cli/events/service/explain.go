package service

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/pkg/client"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// Explain says what an error of the client means to the person who sees it.
// It is nil for nil.
func Explain(err error, url string) error {
	if err == nil {
		return nil
	}
	if fields, invalid := client.Invalid(err); invalid {
		return Invalid(fields)
	}
	if errors.Is(err, context.Canceled) {
		return &problem.Error{
			What: "interrupted before the service at " + url + " had answered",
			Next: "run it again: an event with the same id is stored once", Kind: problem.Cancelled,
		}
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		return explainAnswer(e, url)
	}
	p := &problem.Error{What: "the event API at " + url + " does not answer", Cause: err, Next: "see gmctl status, or name another service with --url"}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		p.What, p.Next = "there is no host "+dns.Name, "check the URL given with --url or $"+URLVariable
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		p.What, p.Next = "nothing listens at "+url, "run gmctl up, or name the service with --url"
	}
	return p
}

func explainAnswer(e *client.Error, url string) error {
	switch {
	case e.Code == "":
		return &problem.Error{What: url + " is not the event API", Cause: e, Next: "check the URL given with --url or $" + URLVariable}
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		return &problem.Error{What: "the event API at " + url + " does not take the API key, or the lack of one", Cause: e,
			Next: "put a key of the game into $" + KeyVariable + "; gmctl keys create GAME makes one"}
	case e.Status == http.StatusConflict:
		return &problem.Error{What: "the id of the event is taken", Cause: e, Next: "leave --id out for a new event, or send the same event as before"}
	case e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests:
		return &problem.Error{What: "the event API at " + url + " cannot store events now", Cause: e, Next: "see gmctl status, and try again"}
	}
	return &problem.Error{What: "the event API at " + url + " refused the request", Cause: e, Next: "look for the request in the service's log: gmctl logs ingestion"}
}

// Invalid is the problem of an event with invalid fields, one a line.
func Invalid(fields []event.FieldError) error {
	lines := make([]string, len(fields))
	for i, field := range fields {
		lines[i] = field.String()
	}
	return &problem.Error{
		What: "the event is not valid", Cause: errors.New(strings.Join(lines, "\n")),
		Next: "correct what is named and send it again; docs/events-api.md describes an event",
	}
}
