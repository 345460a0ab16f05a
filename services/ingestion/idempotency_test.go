package ingestion_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

func testIdempotency(t *testing.T, c *contract) {
	k := &keys{}
	chess, other := k.add(apikey.Key{Game: "chess"}), k.add(apikey.Key{Game: "go"})
	a := serve(t, c, func(config *ingestion.Config) { config.Keys = k })
	id := func(body, name string, header map[string]string) string {
		t.Helper()
		if header == nil {
			header = map[string]string{}
		}
		header["Idempotency-Key"] = name
		got := a.send(t, "POST", single, body, header)
		var accepted eventapi.Accepted
		if err := json.Unmarshal([]byte(got.body), &accepted); err != nil || got.status != 201 {
			t.Fatalf("the answer is %d %s", got.status, got.body)
		}
		return accepted.EventID
	}
	first := id(noID, "order-1", nil)
	if parsed := uuid.MustParse(first); parsed.Version() != 8 || parsed.Variant() != uuid.RFC4122 {
		t.Errorf("the id %s has version %d", first, parsed.Version())
	}
	// It is what it was in every version: a request may be sent again after an upgrade.
	if first != "3b84ab75-2205-861f-b1c9-27dca15b84af" {
		t.Errorf("the id is %s now", first)
	}
	later := strings.Replace(noID, "11:59:59Z", "11:59:58Z", 1)
	for name, test := range map[string]struct {
		got  string
		same bool
	}{
		"the same again":    {id(noID, "order-1", nil), true},
		"in quotes":         {id(noID, `"order-1"`, nil), true},
		"another key":       {id(noID, "order-2", nil), false},
		"another timestamp": {id(later, "order-1", nil), false},
		"a game":            {id(noID, "order-1", bearer(chess)), false},
		"another game":      {id(noID, "order-1", bearer(other)), false},
	} {
		if (test.got == first) != test.same {
			t.Errorf("%s: the id is %s, that of the first %s", name, test.got, first)
		}
	}
	if chessID := id(noID, "order-1", bearer(chess)); chessID != id(noID, "order-1", bearer(chess)) || chessID == id(noID, "order-1", bearer(other)) {
		t.Error("a game's key does not name its events")
	}
	if got := id(valid, "order-1", nil); got != "01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b10" {
		t.Errorf("an event with an id is called %s", got)
	}
	testIdempotentBatch(t, a)
	changed := strings.Replace(noID, "p1", "p2", 1)
	got := a.send(t, "POST", single, changed, map[string]string{"Idempotency-Key": "order-1"})
	if failure := got.failure(t).Error; got.status != 422 || failure.Code != eventapi.IdempotencyKeyReused || failure.Fields[0].Field != "playerId" {
		t.Errorf("a key with another event is answered %d %s", got.status, got.body)
	}
	got = a.send(t, "POST", single, strings.Replace(valid, "p1", "p2", 1), map[string]string{"Idempotency-Key": "order-1"})
	if got.status != 409 || got.failure(t).Error.Code != eventapi.Conflict {
		t.Errorf("another event under an id of its own is answered %d %s", got.status, got.body)
	}
	for _, name := range []string{`""`, "a b", "ä", strings.Repeat("x", 256)} {
		got := a.send(t, "POST", single, noID, map[string]string{"Idempotency-Key": name})
		if got.status != 400 || got.failure(t).Error.Code != eventapi.InvalidHeader {
			t.Errorf("the key %q is answered %d %s", name, got.status, got.body)
		}
	}
}

// The events of a batch are told apart by their places.
func testIdempotentBatch(t *testing.T, a *api) {
	t.Helper()
	before := len(a.store.stored())
	header := map[string]string{"Idempotency-Key": "batch-1"}
	for i, want := range []eventapi.BatchAnswer{{Stored: 2}, {Duplicates: 2}} {
		var got eventapi.BatchAnswer
		answer := a.send(t, "POST", batch, "["+noID+","+noID+"]", header)
		if err := json.Unmarshal([]byte(answer.body), &got); err != nil || got.Stored != want.Stored || got.Duplicates != want.Duplicates {
			t.Errorf("the batch is answered %d %s the %d. time", answer.status, answer.body, i+1)
		}
	}
	if after := len(a.store.stored()); after != before+2 {
		t.Errorf("a batch of two, sent twice, stores %d events", after-before)
	}
	changed := strings.Replace(noID, "p1", "p2", 1)
	if answer := a.send(t, "POST", batch, "["+noID+","+changed+"]", header); answer.status != 207 || strings.Count(answer.body, string(eventapi.IdempotencyKeyReused)) != 1 {
		t.Errorf("the key with another batch is answered %d %s", answer.status, answer.body)
	}
}
