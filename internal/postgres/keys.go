package postgres

import (
	"context"
	_ "embed"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/services/ingestion/keyring"
)

var (
	//go:embed queries/keys/list.sql
	listKeys string
	//go:embed queries/keys/create.sql
	createKey string
	//go:embed queries/keys/used.sql
	noteUse string
)

// Keys is the table of API keys. The services' role may do with it what the
// methods do, and no more: gmctl works as it in an environment whose database is
// reached from its pods alone.
type Keys struct{ pool *pgxpool.Pool }

var _ keyring.Source = (*Keys)(nil)

// NewKeys returns the keys of a database whose schema Migrate has made.
func NewKeys(pool *pgxpool.Pool) *Keys { return &Keys{pool: pool} }

// Keys returns all keys, the oldest first: also those that are not valid any more.
func (k *Keys) Keys(ctx context.Context) ([]apikey.Key, error) {
	rows, err := k.pool.Query(ctx, listKeys+" ORDER BY created_at, id")
	if err != nil {
		return nil, k.explain(err)
	}
	keys, err := pgx.CollectRows(rows, scanKey)
	return keys, k.explain(err)
}

// Create keeps a new key.
func (k *Keys) Create(ctx context.Context, key apikey.Key) error {
	return k.explain(insertKey(ctx, k.pool, key))
}

// Revoke makes a key invalid from now on. It returns the key as it then is; one
// that was revoked before stays as it was.
func (k *Keys) Revoke(ctx context.Context, id string, now time.Time) (key apikey.Key, err error) {
	err = k.change(ctx, id, func(tx pgx.Tx, found *apikey.Key) error {
		if found.RevokedAt.IsZero() {
			found.RevokedAt = now.UTC().Truncate(time.Microsecond)
		}
		key = *found
		_, err := tx.Exec(ctx, "UPDATE api_keys SET revoked_at = $2 WHERE id = $1", id, found.RevokedAt)
		return err
	})
	return key, err
}

// Rotate puts a new key in the place of a valid one, which stays valid for a
// while. The new one is like it, and lives as long as it was meant to.
func (k *Keys) Rotate(ctx context.Context, id string, hash apikey.Hash, now time.Time, grace time.Duration) (before, after apikey.Key, err error) {
	now = now.UTC().Truncate(time.Microsecond)
	err = k.change(ctx, id, func(tx pgx.Tx, found *apikey.Key) error {
		if state := found.State(now); state != apikey.Valid {
			return &problem.Error{
				What: "the API key " + id + " is " + string(state) + ": there is nothing to rotate",
				Next: "make a new one: gmctl keys create", Kind: problem.Usage,
			}
		}
		after = *found
		after.ID, after.Hash, after.CreatedAt, after.LastUsed = hash.ID(), hash, now, time.Time{}
		ends := now.Add(grace)
		if !found.ExpiresAt.IsZero() {
			after.ExpiresAt = now.Add(found.ExpiresAt.Sub(found.CreatedAt))
			if found.ExpiresAt.Before(ends) {
				ends = found.ExpiresAt
			}
		}
		found.ExpiresAt = ends
		before = *found
		if _, err := tx.Exec(ctx, "UPDATE api_keys SET expires_at = $2 WHERE id = $1", id, ends); err != nil {
			return err
		}
		return insertKey(ctx, tx, after)
	})
	return before, after, err
}

// Used implements keyring.Source.
func (k *Keys) Used(ctx context.Context, ids []string, day time.Time) error {
	_, err := k.pool.Exec(ctx, noteUse, ids, day)
	return k.explain(err)
}

// change has one transaction change the key that has an id.
func (k *Keys) change(ctx context.Context, id string, change func(pgx.Tx, *apikey.Key) error) error {
	err := pgx.BeginFunc(ctx, k.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, listKeys+" WHERE id = $1 FOR UPDATE", id)
		if err != nil {
			return err
		}
		key, err := pgx.CollectExactlyOneRow(rows, scanKey)
		if errors.Is(err, pgx.ErrNoRows) {
			return &problem.Error{What: "there is no API key " + id, Next: "see which there are: gmctl keys list", Kind: problem.Usage}
		}
		if err != nil {
			return err
		}
		return change(tx, &key)
	})
	return k.explain(err)
}

func (k *Keys) explain(err error) error {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	if serverLeft(err) {
		k.pool.Reset()
	}
	return Explain(err, k.pool.Config().ConnString())
}

// execer is a pool or a transaction.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func insertKey(ctx context.Context, db execer, k apikey.Key) error {
	_, err := db.Exec(ctx, createKey, k.ID, k.Hash[:], k.Game, k.Name, k.CreatedAt, orNull(&k.ExpiresAt), k.Admin,
		k.Rate.PerSecond, k.Rate.Burst, k.PlayerRate.PerSecond, k.PlayerRate.Burst, orEmpty(k.Origins), k.SelfTraffic, k.SchemaMode, k.DeadLetters)
	return err
}

// orEmpty is an array without elements for nil, which would be NULL.
func orEmpty(values []string) []string { return append([]string{}, values...) }

func scanKey(row pgx.CollectableRow) (k apikey.Key, err error) {
	var hash []byte
	var expires, revoked, used *time.Time
	err = row.Scan(&k.ID, &hash, &k.Game, &k.Name, &k.CreatedAt, &expires, &revoked, &used, &k.Admin,
		&k.Rate.PerSecond, &k.Rate.Burst, &k.PlayerRate.PerSecond, &k.PlayerRate.Burst, &k.Origins, &k.SelfTraffic, &k.SchemaMode, &k.DeadLetters)
	copy(k.Hash[:], hash)
	k.ExpiresAt, k.RevokedAt, k.LastUsed = orZero(expires), orZero(revoked), orZero(used)
	return k, err
}
