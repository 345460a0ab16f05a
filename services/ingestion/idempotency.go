package ingestion

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// idempotencyKeyOf returns the name that the client gave to what the request does
// (draft-ietf-httpapi-idempotency-key-header-07); empty where it gave none. The
// quotes of the draft's form may be left out.
func idempotencyKeyOf(r *http.Request) (string, error) {
	values := r.Header.Values(eventapi.IdempotencyHeader)
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(key) >= 2 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1]
	}
	visible := strings.IndexFunc(key, func(c rune) bool { return c < '!' || c > '~' }) < 0
	if len(values) > 1 || key == "" || len(key) > 255 || !visible {
		return "", invalidHeader(eventapi.IdempotencyHeader, "must be one key of 1 to 255 visible ASCII characters")
	}
	return key, nil
}

// namer returns what names the event at a place of the request where it has no id;
// nil: the decoder does. A request that is sent again under its Idempotency-Key, to
// whichever replica, names its events as before: after its game, the key, the place,
// and the event's timestamp, which is the other half of what tells events apart.
func (f *sender) namer(place int) func(at time.Time) uuid.UUID {
	if f.idempotencyKey == "" {
		return nil
	}
	return func(at time.Time) uuid.UUID {
		var numbers [16]byte
		binary.BigEndian.PutUint64(numbers[:8], uint64(place))
		binary.BigEndian.PutUint64(numbers[8:], uint64(at.UnixMicro()))
		h := sha256.New()
		_, _ = h.Write([]byte("gmctl/idempotency-key\x00" + f.record.Game + "\x00" + f.idempotencyKey + "\x00")) // a hash takes everything
		_, _ = h.Write(numbers[:])
		var id uuid.UUID
		copy(id[:], h.Sum(nil))
		id[6] = 0x80 | id[6]&0x0f // version 8: of our own making
		id[8] = 0x80 | id[8]&0x3f
		return id
	}
}

// conflict is how the API tells that another event is stored in the place of the
// request's event.
func (f *sender) conflict(place int, e *event.Event, outcome Outcome) (status int, failure *eventapi.Error) {
	if name := f.namer(place); name == nil || name(e.Timestamp) != e.EventID {
		return http.StatusConflict, conflict(e, outcome)
	}
	return http.StatusUnprocessableEntity, &eventapi.Error{
		Code: eventapi.IdempotencyKeyReused, Fields: outcome.fields(),
		Message: fmt.Sprintf("the Idempotency-Key came with another event before: %s", &event.Invalid{Fields: outcome.fields()}),
	}
}
