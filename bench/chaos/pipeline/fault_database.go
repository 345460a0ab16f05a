//go:build unix

package pipeline

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	//go:embed queries/evict.sql
	evict string
	//go:embed queries/poison.sql
	insertPoison string
)

// exhaustConnections takes every connection that PostgreSQL grants, and the services'
// from them.
func exhaustConnections(ctx context.Context, s *site, random *rand.Rand) error {
	admin, err := pgx.Connect(ctx, s.postgres.SuperuserDSN("gamemetrics"))
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	var held []*pgx.Conn
	defer func() {
		for _, conn := range held {
			_ = conn.Close(ctx)
		}
	}()
	const tick = 200 * time.Millisecond
	for left := between(random, 500, 4000); left > 0 && ctx.Err() == nil; left -= tick {
		if _, err := admin.Exec(ctx, evict); err != nil {
			return err
		}
		more, err := s.connectAll(ctx)
		held = append(held, more...)
		if err != nil {
			return err
		}
		sleep(ctx, tick)
	}
	return nil
}

// connectAll connects until PostgreSQL takes no more.
func (s *site) connectAll(ctx context.Context) (taken []*pgx.Conn, err error) {
	const tooMany = "53300"
	for {
		conn, err := pgx.Connect(ctx, s.dsn)
		if refusal, ok := errors.AsType[*pgconn.PgError](err); ok && refusal.Code == tooMany {
			return taken, nil
		}
		if err != nil {
			return taken, err
		}
		taken = append(taken, conn)
	}
}

// holdTransaction keeps a transaction open that has an id. Nothing that is stored
// meanwhile is final, and nothing of it may be published; events are taken.
func holdTransaction(ctx context.Context, s *site, _ *rand.Rand) error {
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	var held uint64
	if err := tx.QueryRow(ctx, "SELECT pg_current_xact_id()").Scan(&held); err != nil {
		return err
	}
	accepted := s.accepts(ctx)
	sleep(ctx, s.Hold)
	if err := s.readPublished(ctx, s.read); err != nil && !errors.Is(err, errOpen) {
		return err
	}
	published := s.ledger.unread()
	if err := errors.Join(accepted, tx.Rollback(ctx), s.readStored(ctx, s.read)); err != nil {
		return err
	}
	for _, id := range published {
		if at := s.ledger.position(id); at.Xid >= held {
			return fmt.Errorf("event %s at %s was published while transaction %d was open", id, at, held)
		}
	}
	return nil
}

// poison stores an event that no broker takes. Its neighbours are published.
func poison(ctx context.Context, s *site, _ *rand.Rand) error {
	bad, good, player := uuid.New(), uuid.New(), fmt.Sprintf("poisoned-%s", uuid.NewString())
	s.ledger.poison(bad, player, 1)
	s.ledger.send(good, player, 2)
	_, err := s.pool.Exec(ctx, insertPoison, bad, good, player)
	return err
}
