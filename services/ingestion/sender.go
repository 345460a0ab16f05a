package ingestion

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion/keyring"
)

// sender is who a request comes from.
type sender struct {
	key    *apikey.Key // nil: it came without one
	record Record      // what all its records have in common
	party  party

	idempotencyKey string // of the request; empty: it has none
}

// bring returns the record of an event that the request brought at now.
func (f *sender) bring(e event.Event, now time.Time) Record {
	r := f.record
	r.Event, r.ReceivedAt = e, now
	return r
}

// admit tells from a request's header who sends it, or why it is turned away.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (*sender, error) {
	key, err := s.keyOf(r)
	if err != nil {
		return nil, err
	}
	from := &sender{key: key, party: party{client: s.traffic.client(r)}}
	if key != nil {
		from.record.Game, from.party.key = key.Game, key.ID
	}
	if err := from.checkOrigin(r); err != nil {
		return nil, err
	}
	if from.record.TestRun, err = testRunOf(r); err != nil {
		return nil, err
	}
	if from.idempotencyKey, err = idempotencyKeyOf(r); err != nil {
		return nil, err
	}
	if from.record.SentAt, err = sentAtOf(r); err != nil {
		return nil, err
	}
	traffic, said, err := trafficOf(r)
	switch {
	case err != nil:
		return nil, err
	case said:
	case key != nil && key.SelfTraffic:
		traffic = event.TrafficSelf
	default:
		traffic = s.traffic.of(from.party.client, r.UserAgent())
	}
	from.record.Traffic, from.record.TraceParent = traffic, s.parentOf(r)
	// What is too much is refused before it is read.
	if err := s.limiter.key(w, from, 0); err != nil {
		return nil, err
	}
	return from, cmp.Or(s.backlog.err(), s.committer.Err())
}

// keyOf returns the request's API key; nil where it has none and needs none.
func (s *Server) keyOf(r *http.Request) (*apikey.Key, error) {
	text := keyText(r)
	switch {
	case text == "" && s.config.RequireKey:
		return nil, unauthorized("the request has no API key: send it as Authorization: Bearer KEY, or as " + eventapi.KeyHeader + ": KEY")
	case text == "":
		return nil, nil
	case s.keys == nil:
		return nil, unauthorized("this service knows no API keys")
	}
	key, err := s.keys.Lookup(r.Context(), apikey.Read(text))
	if refusal, ok := errors.AsType[keyring.Refusal](err); ok {
		return nil, unauthorized(refusal.Error())
	}
	return key, err
}

// keyText returns what the request says is its API key.
func keyText(r *http.Request) string {
	const scheme = "Bearer "
	if header := r.Header.Get("Authorization"); len(header) > len(scheme) && strings.EqualFold(header[:len(scheme)], scheme) {
		return strings.TrimSpace(header[len(scheme):])
	}
	if header := r.Header.Get(eventapi.KeyHeader); header != "" {
		return header
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get(eventapi.KeyParameter)
}

func unauthorized(message string) error {
	return &requestError{
		status: http.StatusUnauthorized, code: eventapi.Unauthorized, message: message,
		header: [2]string{"WWW-Authenticate", `Bearer realm="gamemetrics"`},
	}
}

// testRunOf returns the id of the test run that sends the request, if one does.
func testRunOf(r *http.Request) (string, error) {
	values := r.Header.Values(eventapi.TestHeader)
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || !isName(values[0]) {
		return "", invalidHeader(eventapi.TestHeader, "must be one id of 1 to 128 letters, digits, '.', '_', ':' or '-'")
	}
	return values[0], nil
}
