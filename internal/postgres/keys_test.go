package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/ratelimit"
	"github.com/gamemetrics/gmctl/internal/schemas"
)

func newKey(now time.Time, game string) apikey.Key {
	hash := apikey.New().Hash()
	return apikey.Key{ID: hash.ID(), Hash: hash, Game: game, CreatedAt: now, Settings: apikey.Settings{SchemaMode: schemas.Off}}
}

func TestKeys(t *testing.T) {
	keys, ctx := postgres.NewKeys(migrated(t)), t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	full := newKey(now, "chess")
	full.Name, full.ExpiresAt = "server eu-1", now.Add(48*time.Hour)
	full.Settings = apikey.Settings{
		Rate: ratelimit.Rate{PerSecond: 100.5, Burst: 500}, PlayerRate: ratelimit.Rate{PerSecond: 5, Burst: 20},
		Origins: []string{"https://chess.example"}, SelfTraffic: true, SchemaMode: schemas.Strict, DeadLetters: true,
	}
	admin := newKey(now.Add(time.Second), "")
	admin.Admin, admin.Origins = true, []string{}
	for _, key := range []apikey.Key{full, admin} {
		if err := keys.Create(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	all := func() []apikey.Key {
		t.Helper()
		found, err := keys.Keys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range found {
			for _, at := range []*time.Time{&found[i].CreatedAt, &found[i].ExpiresAt, &found[i].RevokedAt} {
				*at = at.UTC()
			}
		}
		return found
	}
	if diff := cmp.Diff([]apikey.Key{full, admin}, all()); diff != "" {
		t.Errorf("the keys come back changed: %s", diff)
	}
	if err := keys.Create(ctx, newKey(now, "")); err == nil {
		t.Error("a key of no game is made for somebody who is no administrator")
	}

	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, used := range []time.Time{day, day.AddDate(0, 0, -1)} {
		if err := keys.Used(ctx, []string{full.ID}, used); err != nil {
			t.Fatal(err)
		}
	}
	if got := all(); !got[0].LastUsed.Equal(day) || !got[1].LastUsed.IsZero() {
		t.Errorf("the keys were used on %s and %s", got[0].LastUsed, got[1].LastUsed)
	}

	t.Run("rotate", func(t *testing.T) { testRotate(t, keys, full, all) })
	t.Run("revoke", func(t *testing.T) { testRevoke(t, keys, admin) })
}

func testRotate(t *testing.T, keys *postgres.Keys, full apikey.Key, all func() []apikey.Key) {
	ctx, next, later := t.Context(), apikey.New().Hash(), full.CreatedAt.Add(time.Hour)
	before, after, err := keys.Rotate(ctx, full.ID, next, later, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	want := full
	want.ID, want.Hash, want.CreatedAt, want.ExpiresAt = next.ID(), next, later, later.Add(48*time.Hour)
	got := all()
	if diff := cmp.Diff(want, got[2]); diff != "" || !after.ExpiresAt.Equal(want.ExpiresAt) {
		t.Errorf("the new key is not like the old one: %s", diff)
	}
	if ends := later.Add(24 * time.Hour); !got[0].ExpiresAt.Equal(ends) || !before.ExpiresAt.Equal(ends) {
		t.Errorf("the old key ends at %s, want %s", got[0].ExpiresAt, ends)
	}
	if _, _, err := keys.Rotate(ctx, next.ID(), apikey.New().Hash(), later, 1000*time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := all(); !got[2].ExpiresAt.Equal(want.ExpiresAt) {
		t.Errorf("a long grace moves the old key's end from %s to %s", want.ExpiresAt, got[2].ExpiresAt)
	}
}

func testRevoke(t *testing.T, keys *postgres.Keys, admin apikey.Key) {
	ctx, later := t.Context(), admin.CreatedAt.Add(time.Hour)
	first, err := keys.Revoke(ctx, admin.ID, later)
	if err != nil || !first.RevokedAt.Equal(later) {
		t.Errorf("the key is revoked at %s, %v", first.RevokedAt, err)
	}
	if again, err := keys.Revoke(ctx, admin.ID, later.Add(time.Hour)); err != nil || !again.RevokedAt.Equal(later) {
		t.Errorf("revoked twice it is revoked at %s, %v", again.RevokedAt, err)
	}
	if _, _, err := keys.Rotate(ctx, admin.ID, apikey.New().Hash(), later, 0); err == nil || !strings.Contains(err.Error(), "is revoked") {
		t.Errorf("a revoked key is rotated: %v", err)
	}
	if _, err := keys.Revoke(ctx, "abc", later); err == nil || !strings.Contains(err.Error(), "there is no API key abc") {
		t.Errorf("a key that is not there is revoked: %v", err)
	}
}

// The services' role makes and ends keys: so gmctl does in a pod of theirs. It
// cannot turn a key into another one, or remove it.
func TestServicesMayNotChangeKeys(t *testing.T) {
	pool := migrated(t)
	owner := opened(t, pg.Server(t).SuperuserDSN(pool.Config().ConnConfig.Database))
	role := postgres.Login{User: "keys_reader", Password: "secret"}
	if err := postgres.EnsureRole(t.Context(), owner, role); err != nil {
		t.Fatal(err)
	}
	service := opened(t, role.In(pool.Config().ConnString()))
	keys, key, next := postgres.NewKeys(service), newKey(time.Now(), "chess"), apikey.New().Hash()
	if err := keys.Create(t.Context(), key); err != nil {
		t.Errorf("they cannot make a key: %v", err)
	}
	if found, err := keys.Keys(t.Context()); err != nil || len(found) != 1 {
		t.Errorf("they see %d keys, %v", len(found), err)
	}
	if err := keys.Used(t.Context(), []string{key.ID}, time.Now()); err != nil {
		t.Errorf("they cannot note a use: %v", err)
	}
	if _, _, err := keys.Rotate(t.Context(), key.ID, next, time.Now(), time.Hour); err != nil {
		t.Errorf("they cannot rotate a key: %v", err)
	}
	if _, err := keys.Revoke(t.Context(), key.ID, time.Now()); err != nil {
		t.Errorf("they cannot revoke a key: %v", err)
	}
	for _, statement := range []string{
		"UPDATE api_keys SET admin = true", "UPDATE api_keys SET hash = hash", "UPDATE api_keys SET game = 'go'", "DELETE FROM api_keys",
	} {
		if _, err := service.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// The platform's own key: one at a time, and one that was revoked is not brought back.
func TestThePlatformHasOneKey(t *testing.T) {
	keys, ctx := postgres.NewKeys(migrated(t)), t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	game := newKey(now, postgres.PlatformKeyGame) // somebody's game may be called so, too
	if err := keys.Create(ctx, game); err != nil {
		t.Fatal(err)
	}
	first, second := apikey.New().Hash(), apikey.New().Hash()
	states := func() map[string]apikey.State {
		t.Helper()
		found, err := keys.Keys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		states := map[string]apikey.State{}
		for _, key := range found {
			states[key.ID] = key.State(now.Add(time.Hour))
			if key.ID != game.ID && (key.Admin || key.Game != postgres.PlatformKeyGame || key.Name != postgres.PlatformKeyName) {
				t.Errorf("the platform's key is %+v", key)
			}
		}
		return states
	}
	for _, step := range []struct {
		adopted apikey.Hash
		want    map[string]apikey.State
	}{
		{first, map[string]apikey.State{game.ID: apikey.Valid, first.ID(): apikey.Valid}},
		{first, map[string]apikey.State{game.ID: apikey.Valid, first.ID(): apikey.Valid}},
		{second, map[string]apikey.State{game.ID: apikey.Valid, first.ID(): apikey.Revoked, second.ID(): apikey.Valid}},
		{first, map[string]apikey.State{game.ID: apikey.Valid, first.ID(): apikey.Revoked, second.ID(): apikey.Revoked}},
	} {
		if err := keys.Adopt(ctx, step.adopted, now); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, states()); diff != "" {
			t.Error(diff)
		}
	}
}
