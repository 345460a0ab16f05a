package postgres

import (
	"context"
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/schemas"
)

var (
	//go:embed queries/schemas_active.sql
	activeSchemas string
	//go:embed queries/schemas_all.sql
	allSchemas string
	//go:embed queries/schemas_put.sql
	putSchema string
)

// Schemas is the table of the schemas that events are held to. The errors of its
// methods are *problem.Error.
type Schemas struct{ pool *pgxpool.Pool }

// NewSchemas returns the schemas over the pool, whose schema Migrate has made.
func NewSchemas(pool *pgxpool.Pool) *Schemas { return &Schemas{pool} }

// Active returns the active schemas, by event type.
func (s *Schemas) Active(ctx context.Context) ([]schemas.Schema, error) {
	return s.read(ctx, activeSchemas)
}

// All returns all versions of all schemas, by event type.
func (s *Schemas) All(ctx context.Context) ([]schemas.Schema, error) { return s.read(ctx, allSchemas) }

func (s *Schemas) read(ctx context.Context, query string) ([]schemas.Schema, error) {
	rows, err := s.pool.Query(ctx, query)
	if err != nil {
		return nil, s.explain(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (schema schemas.Schema, err error) {
		var text, mode string
		var at time.Time
		err = row.Scan(&schema.EventType, &schema.Version, &text, &mode, &schema.Active, &at)
		schema.Text, schema.Mode, schema.CreatedAt = []byte(text), schemas.Mode(mode), at.UTC()
		return schema, err
	})
	if err != nil {
		return nil, s.explain(err)
	}
	return found, nil
}

// Put stores a schema, which compiles, as the next version of its event type, and
// makes it the active one.
func (s *Schemas) Put(ctx context.Context, eventType string, mode schemas.Mode, text []byte) (version int, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// Two who put at once get two versions, one after the other.
		if _, err := tx.Exec(ctx, "LOCK TABLE event_schemas IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE event_schemas SET active = false WHERE event_type = $1 AND active", eventType); err != nil {
			return err
		}
		return tx.QueryRow(ctx, putSchema, eventType, string(text), string(mode)).Scan(&version)
	})
	if err != nil {
		return 0, s.explain(err)
	}
	return version, nil
}

// Delete has events of the type no longer checked. The versions stay, so that
// numbers are not used twice and what was in force can be looked up. It reports
// whether there was an active one.
func (s *Schemas) Delete(ctx context.Context, eventType string) (bool, error) {
	tag, err := s.pool.Exec(ctx, "UPDATE event_schemas SET active = false WHERE event_type = $1 AND active", eventType)
	if err != nil {
		return false, s.explain(err)
	}
	return tag.RowsAffected() > 0, nil
}

func (s *Schemas) explain(err error) error { return Explain(err, s.pool.Config().ConnString()) }
