//go:build unix

package pipeline

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
)

var (
	//go:embed queries/evict.sql
	evict string
	//go:embed queries/poison.sql
	insertPoison string
)

// failOver kills PostgreSQL, and a standby that has had each commit takes its place, with
// the address by which the services know it.
func failOver(ctx context.Context, s *site, random *rand.Rand) error {
	var in string
	if s.disk != nil {
		in = s.disk.Path()
	}
	standby, err := s.postgres.StartStandby(ctx, in)
	if err != nil {
		return err
	}
	if err := errors.Join(s.takeOver(ctx, random, standby), s.accepts(ctx)); err != nil {
		return errors.Join(err, s.retire(standby))
	}
	old := s.postgres
	s.postgres = standby
	s.pool.Close()
	return errors.Join(s.connect(ctx), s.retire(old))
}

// takeOver has the standby take the place of the primary.
func (s *site) takeOver(ctx context.Context, random *rand.Rand, standby *testpostgres.Server) error {
	if err := s.postgres.MakeSynchronous(ctx); err != nil {
		return err
	}
	accepted := s.accepts(ctx)
	sleep(ctx, between(random, 0, 2000))
	if err := errors.Join(accepted, s.postgres.Crash(), s.red(ctx)); err != nil {
		return err
	}
	sleep(ctx, between(random, 0, 2000))
	if err := standby.TakeOver(ctx); err != nil {
		return err
	}
	var errs []error
	for _, link := range slices.Concat(s.apiLinks, s.relayLinks) {
		errs = append(errs, link.Lead(net.JoinHostPort("127.0.0.1", strconv.Itoa(standby.Port()))))
	}
	return errors.Join(errs...)
}

// retire removes a server, and keeps its log.
func (s *site) retire(server *testpostgres.Server) error {
	name := fmt.Sprintf("postgres-%d.log", server.Port())
	return errors.Join(os.WriteFile(filepath.Join(s.dir, name), []byte(server.Log()), 0o600), server.Remove())
}

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

// TransactionHeld is the fault of a transaction that stays open for Options.Hold.
const TransactionHeld = "transaction-held"

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
	bad, good, player, now := uuid.New(), uuid.New(), fmt.Sprintf("poisoned-%s", uuid.NewString()), time.Now()
	s.ledger.poison(bad, player, 1)
	s.ledger.send(good, player, 2, contentOf(player, "chaos", now, []byte(`{"n": 2}`)))
	_, err := s.pool.Exec(ctx, insertPoison, bad, good, player, now)
	return err
}
