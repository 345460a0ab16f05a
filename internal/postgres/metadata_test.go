package postgres_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

// Metadata are given back as they were sent: no key is moved, no number written anew.
func TestMetadataStayAsTheyWereSent(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	const text = `{"z":1.50,"a":[1e3,"\u00e9 / \/"],"m":{"b":{},"a":null}}`
	sent := record("ada", time.Now())
	sent.Metadata = json.RawMessage(text)
	if _, err := store.Write(t.Context(), []ingestion.Record{sent}); err != nil {
		t.Fatal(err)
	}
	stored, err := store.Event(t.Context(), "", sent.EventID)
	if err != nil || len(stored) != 1 || string(stored[0].Metadata) != text {
		t.Errorf("%v: %v", err, stored)
	}
	if read := next(t, sourceOf(t, pool), relay.Position{}, 10); len(read) != 1 || string(read[0].Metadata) != text {
		t.Errorf("to be published: %v", read)
	}
}

// Events whose metadata are in the column that was there first are read as others
// are, and known again.
func TestMetadataInTheColumnOfBefore(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	sent := record("ada", time.Now())
	sent.Metadata = json.RawMessage(`{"name":"a, b","level":3}`)
	if _, err := store.Write(t.Context(), []ingestion.Record{sent}); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE events SET metadata = metadata_json::jsonb, metadata_json = NULL"); err != nil {
		t.Fatal(err)
	}
	stored, err := store.Event(t.Context(), "", sent.EventID)
	if diff := cmp.Diff([]ingestion.Record{sent}, stored); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	if read := next(t, sourceOf(t, pool), relay.Position{}, 10); len(read) != 1 || string(read[0].Metadata) != string(sent.Metadata) {
		t.Errorf("to be published: %v", read)
	}
	none, other := sent, sent
	none.Metadata = nil
	other.Metadata = json.RawMessage(`{"name":"a, b","level":4}`)
	outcomes, err := store.Write(t.Context(), []ingestion.Record{sent, other, none})
	if diff := cmp.Diff([]ingestion.Outcome{ingestion.Duplicate, ingestion.Conflict(false, false, true), ingestion.Conflict(false, false, true)}, outcomes); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
}
