package ingestion_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// keys is a table of API keys in memory.
type keys struct {
	mu   sync.Mutex
	all  []apikey.Key
	down error
	used map[string]time.Time
}

func (k *keys) Keys(context.Context) ([]apikey.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]apikey.Key{}, k.all...), k.down
}

func (k *keys) Used(_ context.Context, ids []string, day time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range ids {
		if k.used == nil {
			k.used = map[string]time.Time{}
		}
		k.used[id] = day
	}
	return k.down
}

// add makes a key, and returns its text.
func (k *keys) add(key apikey.Key) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	secret := apikey.New()
	key.Hash, key.ID = secret.Hash(), secret.Hash().ID()
	k.all = append(k.all, key)
	return secret.Reveal()
}

func (k *keys) set(down error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = down
}

// guarded is a server that requires keys.
func guarded(t *testing.T, c *contract, k *keys, change func(*ingestion.Config)) *api {
	t.Helper()
	return serve(t, c, func(config *ingestion.Config) {
		config.Keys, config.RequireKey = k, true
		if change != nil {
			change(config)
		}
	})
}

// stored returns the only record that is stored of a player.
func (a *api) stored(t *testing.T, player string) ingestion.Record {
	t.Helper()
	var found []ingestion.Record
	for _, r := range a.store.stored() {
		if r.PlayerID == player {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d events of %s are stored, want 1", len(found), player)
	}
	return found[0]
}

// of returns the body of an event of a player.
func of(player string) string { return strings.Replace(noID, "p1", player, 1) }

func bearer(key string) map[string]string { return map[string]string{"Authorization": "Bearer " + key} }

func testKeys(t *testing.T, c *contract) {
	k := &keys{}
	good := k.add(apikey.Key{Game: "chess", ExpiresAt: now.Add(time.Hour)})
	expired := k.add(apikey.Key{Game: "chess", ExpiresAt: now})
	revoked := k.add(apikey.Key{Game: "chess", RevokedAt: now.Add(-time.Second)})
	a := guarded(t, c, k, nil)
	for _, test := range []struct {
		name, path string
		header     map[string]string
		says       string // of the refusal; empty: it is taken
	}{
		{name: "Authorization", header: bearer(good)},
		{name: "a scheme in lower case", header: map[string]string{"Authorization": "bearer " + good}},
		{name: "X-API-Key", header: map[string]string{"X-API-Key": good}},
		{name: "X-API-Key beside another login", header: map[string]string{"X-API-Key": good, "Authorization": "Basic eDp5"}},
		{name: "the query", path: "?key=" + good},
		{name: "none", says: "has no API key"},
		{name: "another login alone", header: map[string]string{"Authorization": "Basic eDp5"}, says: "has no API key"},
		{name: "mistyped", header: bearer(good[:20] + "x" + good[20:52]), says: "mistyped"},
		{name: "unknown", header: bearer(apikey.New().Reveal()), says: "is not known"},
		{name: "expired", header: bearer(expired), says: "expired at 2026-03-01T12:00:00Z"},
		{name: "revoked", header: bearer(revoked), says: "was revoked at 2026-03-01T11:59:59Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			player := "keys:" + test.name
			for _, path := range []string{single, batch} {
				body := of(player + path)
				if path == batch {
					body = "[" + body + "]"
				}
				got := a.sendTo(t, "POST", path, test.path, body, test.header)
				if test.says == "" {
					if got.status > 201 || a.stored(t, player+path).Game != "chess" {
						t.Errorf("the answer is %d %s, the game %q", got.status, got.body, a.stored(t, player+path).Game)
					}
					continue
				}
				if got.status != 401 || got.failure(t).Error.Code != eventapi.Unauthorized || !strings.Contains(got.body, test.says) {
					t.Errorf("the answer is %d %s, want 401 that says %q", got.status, got.body, test.says)
				}
			}
		})
	}
	t.Run("keys that nobody needs", func(t *testing.T) {
		a := serve(t, c, func(config *ingestion.Config) { config.Keys = k })
		if got := a.send(t, "POST", single, of("anonymous"), nil); got.status != 201 || a.stored(t, "anonymous").Game != "" {
			t.Errorf("without a key the answer is %d %s", got.status, got.body)
		}
		if got := a.send(t, "POST", single, of("named"), bearer(good)); got.status != 201 || a.stored(t, "named").Game != "chess" {
			t.Errorf("with a key the answer is %d %s", got.status, got.body)
		}
		if got := a.send(t, "POST", single, noID, bearer(revoked)); got.status != 401 {
			t.Errorf("with a revoked key the answer is %d %s", got.status, got.body)
		}
	})
	t.Run("a key made just now is taken at once", func(t *testing.T) {
		a.send(t, "POST", single, noID, bearer(apikey.New().Reveal())) // after which the keys were read just now
		if got := a.send(t, "POST", single, noID, bearer(k.add(apikey.Key{Game: "go"}))); got.status != 201 {
			t.Errorf("the answer is %d %s", got.status, got.body)
		}
	})
	t.Run("keys outlive their database", func(t *testing.T) {
		k.set(errors.New("password=secret: connection refused"))
		defer k.set(nil)
		if got := a.send(t, "POST", single, noID, bearer(good)); got.status != 201 {
			t.Errorf("a known key is answered %d %s", got.status, got.body)
		}
		got := a.send(t, "POST", single, noID, bearer(k.add(apikey.Key{Game: "go"})))
		if got.status != 503 || got.failure(t).Error.Code != eventapi.Unavailable || strings.Contains(got.body, "secret") {
			t.Errorf("one that may be known by now is answered %d %s", got.status, got.body)
		}
	})
	if log := a.log.String(); strings.Contains(log, good) || strings.Contains(log, good[4:]) {
		t.Error("a key is in the log")
	}
}

// A key that is revoked is turned away within seconds, and its use is noted.
func TestKeysAreRefreshed(t *testing.T) {
	k := &keys{}
	good := k.add(apikey.Key{Game: "chess"})
	a := guarded(t, newContract(t), k, nil)
	if got := a.send(t, "POST", single, noID, bearer(good)); got.status != 201 {
		t.Fatalf("the answer is %d %s", got.status, got.body)
	}
	k.mu.Lock()
	id := k.all[0].ID
	k.all[0].RevokedAt = now
	k.mu.Unlock()
	deadline := time.Now().Add(20 * time.Second)
	for a.send(t, "POST", single, noID, bearer(good)).status != http.StatusUnauthorized {
		if time.Now().After(deadline) {
			t.Fatal("a revoked key is still taken")
		}
		time.Sleep(20 * time.Millisecond)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if want := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC); !k.used[id].Equal(want) {
		t.Errorf("the key was used on %s, want %s", k.used[id], want)
	}
}
