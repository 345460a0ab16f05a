//go:build unix

package pipeline

import (
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// strictType is the type of events that are held to strictSchema.
const strictType = "chaos-strict"

//go:embed strict.json
var strictSchema string

// offend sends an event that is invalid until it is answered so: its metadata break
// the schema, or it lacks what every event has. It must be among the dead letters
// then, once, in the player's order.
func (l *load) offend(ctx context.Context, player string, n int) {
	id := uuid.New()
	kind := fmt.Sprintf(`"eventType":%q,"timestamp":%q`, strictType, time.Now().UTC().Format(time.RFC3339Nano))
	if rand.IntN(2) == 0 {
		kind = `"eventType":"chaos","timestamp":"yesterday"`
	}
	body := fmt.Sprintf(`{"eventId":%q,"playerId":%q,%s,"metadata":{"n":%d}}`, id, player, kind, n)
	l.ledger.offend(id, player, n, letterOf([]byte(body)))
	for !l.sendInvalid(ctx, id, body) && sleep(ctx, 50*time.Millisecond) {
		continue
	}
	if rand.IntN(10) == 0 {
		l.sendInvalid(ctx, id, body)
	}
}

// sendInvalid posts the event, and reports whether it was rejected for good.
func (l *load) sendInvalid(ctx context.Context, id uuid.UUID, body string) bool {
	api, answer := l.ask(ctx, eventapi.EventsPath, eventapi.JSON, body)
	switch {
	case answer == nil:
		return false
	case answer.status != http.StatusBadRequest:
		l.judge(api, answer)
		return false
	}
	if _, err := answer.reason(); err != nil {
		l.ledger.violate("%s: %v", api.name, err)
	}
	l.ledger.reject(id)
	return true
}
