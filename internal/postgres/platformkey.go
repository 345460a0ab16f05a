package postgres

import (
	"context"
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/apikey"
)

//go:embed queries/keys/adopt.sql
var adoptKey string

// The platform's own key, with which gmctl sends events, in the table of keys. No
// game's key has both.
const (
	PlatformKeyGame = "gmctl"
	PlatformKeyName = "gmctl itself"
)

// Adopt makes a key the platform's own, in the place of the one that was. One that
// was revoked stays revoked.
func (k *Keys) Adopt(ctx context.Context, hash apikey.Hash, now time.Time) error {
	now = now.UTC().Truncate(time.Microsecond)
	return k.explain(pgx.BeginFunc(ctx, k.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", migrationLock); err != nil { // one Job at a time
			return err
		}
		_, err := tx.Exec(ctx, adoptKey, hash.ID(), hash[:], PlatformKeyGame, PlatformKeyName, now)
		return err
	}))
}
