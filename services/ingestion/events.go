package ingestion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// postEvent answers POST /api/v1/events.
func (s *Server) postEvent(w http.ResponseWriter, r *http.Request) {
	id, err := s.takeEvent(w, r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	writeJSON(w, http.StatusCreated, eventapi.Accepted{EventID: id})
}

func (s *Server) takeEvent(w http.ResponseWriter, r *http.Request) (id string, err error) {
	from, err := s.admit(w, r)
	if err != nil {
		return "", err
	}
	if _, err := mediaType(r, eventapi.JSON, eventapi.Text); err != nil {
		return "", err
	}
	rules := s.policyOf(r, from)
	record, letter, err := s.readEvent(w, r, from, rules)
	ctx, cancel := context.WithTimeout(r.Context(), s.config.Deadline)
	defer cancel()
	if letter != nil {
		return "", cmp.Or(s.keepLetter(ctx, w, r, from, letter), err)
	}
	if err != nil {
		return "", err
	}
	if err := s.limiter.key(w, from, 1); err != nil {
		return "", err
	}
	if err := s.limiter.one(w, from, record.PlayerID); err != nil {
		return "", err
	}
	records := []Record{record}
	defer func() { s.limiter.refund(w, r, from, 1, records, err) }()
	results, err := s.insert(ctx, records)
	if err != nil {
		return "", err
	}
	e := &records[0].Event
	if results[0].Err != nil {
		s.config.Log.Warn("the store refuses an event's data", "eventId", e.EventID.String(), "error", results[0].Err)
		if body, err := e.AppendJSON(nil); err == nil && rules.letters {
			if err := s.keepLetters(ctx, []Letter{letterOf(body, unstorable(), from)}); err != nil {
				return "", err
			}
		}
		return "", unstorable()
	}
	if results[0].Outcome.conflicts() {
		status, failure := from.conflict(0, e, results[0].Outcome)
		return "", &requestError{status: status, code: failure.Code, message: failure.Message, fields: failure.Fields}
	}
	return e.EventID.String(), nil
}

// readEvent reads the request's event. One that is not valid is a letter where such are
// kept.
func (s *Server) readEvent(w http.ResponseWriter, r *http.Request, from *sender, rules policy) (Record, *Letter, error) {
	body, err := s.readBody(w, r, from, s.config.MaxBody)
	if err != nil {
		return Record{}, nil, err
	}
	defer s.bodies.put(body)
	now := s.now()
	e, err := s.decoder.DecodeNamed(body.data, now, from.namer(0))
	if err == nil {
		err = s.hold(&e, rules.schemas)
	}
	if invalid, ok := errors.AsType[*event.Invalid](err); ok && rules.letters {
		letter := letterOf(body.data, invalid, from)
		return Record{}, &letter, err
	}
	return from.bring(e, now), nil, err
}

// keepLetter stores the letter of a request that has no other event.
func (s *Server) keepLetter(ctx context.Context, w http.ResponseWriter, r *http.Request, from *sender, letter *Letter) (err error) {
	if err := s.bodies.hold(from.party, int64(len(letter.Body))); err != nil {
		return err
	}
	defer s.bodies.release(from.party, int64(len(letter.Body)))
	if err := s.limiter.key(w, from, 1); err != nil { // what is kept costs as what is stored
		return err
	}
	defer func() { s.limiter.refund(w, r, from, 1, nil, err) }()
	return s.keepLetters(ctx, []Letter{*letter})
}

// insert stores the records, and counts them.
func (s *Server) insert(ctx context.Context, records []Record) ([]Result, error) {
	if err := s.backlog.err(); err != nil {
		return nil, err
	}
	results, err := s.committer.Insert(ctx, records)
	for _, result := range results {
		if err == nil && result.Err == nil {
			s.metrics.settle(result.Outcome)
		}
	}
	return results, err
}

// now is the time of receipt, in the precision that the store keeps.
func (s *Server) now() time.Time { return s.config.Now().UTC().Truncate(time.Microsecond) }

// mediaType returns the media type of the body, which must be one of those allowed.
func mediaType(r *http.Request, allowed ...string) (string, error) {
	header := r.Header.Get("Content-Type")
	if header == allowed[0] { // what nearly all clients send
		return header, nil
	}
	unsupported := func(problem string) error {
		return &requestError{
			status: http.StatusUnsupportedMediaType, code: eventapi.UnsupportedMediaType,
			message: fmt.Sprintf("%s; send Content-Type: %s", problem, orList(allowed)),
		}
	}
	if header == "" {
		return "", unsupported("the request has no Content-Type")
	}
	media, params, err := mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return "", unsupported("the Content-Type cannot be read")
	}
	if charset, ok := params["charset"]; ok && !isUTF8(charset) {
		return "", unsupported(fmt.Sprintf("the charset %s is not taken, only utf-8", shown(charset)))
	}
	if slices.Contains(allowed, media) {
		return media, nil
	}
	return "", unsupported(fmt.Sprintf("the Content-Type %s is not taken here", shown(media)))
}
