package dlq

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/internal/cli/events/service"
	"github.com/gamemetrics/gmctl/internal/kafka/deadletters"
	"github.com/gamemetrics/gmctl/pkg/client"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// sender hands letters to the ingestion API, byte for byte: the SDK would send
// only what is an event already.
type sender struct {
	service.Endpoint
	http *http.Client
}

func newSender(to service.Endpoint) *sender {
	return &sender{to, &http.Client{Timeout: 30 * time.Second}}
}

// attempts is how often a service that is busy is asked, a second apart.
const attempts = 5

// send returns why the service rejects the event, empty if it is stored.
func (s *sender) send(ctx context.Context, l deadletters.Letter, body []byte) (reason string, err error) {
	for attempt := 1; ; attempt++ {
		status, answer, err := s.post(ctx, l, body)
		switch {
		case err != nil:
			return "", service.Explain(err, s.URL)
		case status == http.StatusCreated:
			return "", nil
		case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
			if attempt < attempts && pause(ctx, time.Second) {
				continue
			}
			return "", service.Explain(&client.Error{Status: status, Code: answer.Error.Code, Message: answer.Error.Message, RequestID: answer.RequestID}, s.URL)
		case status == http.StatusUnauthorized || status == http.StatusForbidden || answer.Error.Code == "":
			return "", service.Explain(&client.Error{Status: status, Code: answer.Error.Code, Message: answer.Error.Message, RequestID: answer.RequestID}, s.URL)
		}
		return answer.Error.Message, nil
	}
}

func (s *sender) post(ctx context.Context, l deadletters.Letter, body []byte) (status int, answer eventapi.Failure, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+eventapi.EventsPath, bytes.NewReader(body))
	if err != nil {
		return 0, answer, err
	}
	request.Header.Set("Content-Type", eventapi.JSON)
	request.Header.Set("User-Agent", "gmctl")
	request.Header.Set(eventapi.ReplayHeader, l.ID)
	if key := s.Key.Reveal(); key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	if l.TestRun != "" {
		request.Header.Set(eventapi.TestHeader, l.TestRun)
	}
	response, err := s.http.Do(request)
	if err != nil {
		return 0, answer, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return 0, answer, err
	}
	if response.StatusCode != http.StatusCreated {
		_ = json.Unmarshal(content, &answer) // what is not the service's own has no code
	}
	return response.StatusCode, answer, nil
}

// bodyOf is what is sent for a letter, or why nothing is.
func bodyOf(l deadletters.Letter, corrected []byte) (body []byte, reason string) {
	switch {
	case corrected != nil:
		body = corrected
	case l.Source == "relay":
		return nil, fmt.Sprintf("event %s is stored and could not be published (%s): it cannot be sent again", l.EventID, l.Reason)
	case len(l.Value) == 0:
		return nil, "the letter holds no event"
	default:
		body = l.Value
	}
	return withID(l, body), ""
}

// withID gives an event that has no id one that is made of its letter: a replay
// that is killed and begun again then stores it once.
func withID(l deadletters.Letter, body []byte) []byte {
	var members map[string]json.RawMessage
	if l.Reason == string(event.CodeDuplicateKey) || json.Unmarshal(body, &members) != nil || members == nil {
		return body // it is rejected again, and told why
	}
	if id, there := members["eventId"]; there && string(id) != "null" {
		return body
	}
	members["eventId"], _ = json.Marshal(uuid.NewSHA1(uuid.NameSpaceOID, []byte("dlq.events/"+l.ID+"/"+l.Time.String()))) // text always encodes
	with, err := json.Marshal(members)
	if err != nil {
		return body
	}
	return with
}

// pause reports whether it went by before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
