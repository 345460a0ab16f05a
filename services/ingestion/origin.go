package ingestion

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// sentAtOf returns when the client sent the request, by its own clock; zero where
// it does not say.
func sentAtOf(r *http.Request) (time.Time, error) {
	text := r.Header.Get(eventapi.SentAtHeader)
	if text == "" && r.URL.RawQuery != "" {
		text = r.URL.Query().Get(eventapi.SentAtParameter)
	}
	if text == "" {
		return time.Time{}, nil
	}
	// Clocks are off, and by how much is the question; nobody's shows a year before
	// 1973. Seconds that are taken for milliseconds do.
	const earliest = 100_000_000_000 // milliseconds
	at, err := time.Parse(time.RFC3339Nano, text)
	if millis, numeric := strconv.ParseInt(text, 10, 64); numeric == nil {
		at, err = time.UnixMilli(millis), nil
	}
	if err != nil || at.UnixMilli() < earliest || at.Year() > 9999 {
		return time.Time{}, invalidHeader(eventapi.SentAtHeader, "must be when the request was sent: RFC 3339, or milliseconds since 1970")
	}
	return at.UTC().Truncate(time.Microsecond), nil
}

// trafficOf returns what the client says of who causes its events.
func trafficOf(r *http.Request) (traffic event.Traffic, said bool, err error) {
	switch text := r.Header.Get(eventapi.TrafficHeader); text {
	case "":
		return event.TrafficPlayer, false, nil
	case "player":
		return event.TrafficPlayer, true, nil
	case string(event.TrafficBot), string(event.TrafficSelf):
		return event.Traffic(text), true, nil
	}
	return event.TrafficPlayer, false, invalidHeader(eventapi.TrafficHeader, "must be player, bot or self")
}

func invalidHeader(name, reason string) error {
	return &requestError{
		status: http.StatusBadRequest, code: eventapi.InvalidHeader, message: "the header " + name + " " + reason,
		fields: []event.FieldError{{Field: name, Code: event.CodeInvalidFormat, Reason: reason}},
	}
}

// traceParentOf returns the request's W3C trace context (version 00), empty where
// it has none. One that is not valid counts as none, as the standard says.
func traceParentOf(r *http.Request) string {
	values := r.Header["Traceparent"]
	if len(values) != 1 {
		return ""
	}
	const length = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	text := values[0]
	switch {
	case len(text) < length, text[2] != '-', text[35] != '-', text[52] != '-':
		return ""
	case !isHex(text[:2]), !isHex(text[3:35]), !isHex(text[36:52]), !isHex(text[53:55]):
		return ""
	case text[:2] == "ff", isZero(text[3:35]), isZero(text[36:52]):
		return ""
	case text[:2] == "00" && len(text) > length, len(text) > length && text[length] != '-':
		return ""
	}
	if text[:2] == "00" {
		return text
	}
	return "00" + text[2:length] // a later version begins like this one
}

// isHex reports whether s consists of hexadecimal digits in lower case.
func isHex(s string) bool {
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9') && !('a' <= c && c <= 'f') {
			return false
		}
	}
	return true
}

func isZero(s string) bool {
	for _, c := range []byte(s) {
		if c != '0' {
			return false
		}
	}
	return true
}
