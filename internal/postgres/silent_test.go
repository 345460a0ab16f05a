package postgres_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/postgres"
)

// silent returns a pool of connections to a server that takes logins, and says nothing
// after: as one does whose machine is gone.
func silent(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.NewPool(t.Context(), postgres.Config{DSN: "postgres://u@127.0.0.1:5432/d?sslmode=disable"})
	if err != nil {
		t.Fatal(err)
	}
	config := pool.Config()
	pool.Close()
	config.ConnConfig.DialFunc = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		t.Cleanup(func() { server.Close() }) // also of connections that nobody closes in order
		go func() {
			defer server.Close()
			backend := pgproto3.NewBackend(server, server)
			if message, err := backend.ReceiveStartupMessage(); err != nil {
				return
			} else if _, login := message.(*pgproto3.StartupMessage); !login {
				return
			}
			backend.Send(&pgproto3.AuthenticationOk{})
			backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			if backend.Flush() == nil {
				_, _ = io.Copy(io.Discard, server)
			}
		}()
		return client, nil
	}
	if pool, err = pgxpool.NewWithConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return pool
}

// A connection that is dead costs its next user a moment, not all of his time.
func TestADeadConnectionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := silent(t)
		defer pool.Close()
		idle, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		dead := idle.Conn()
		idle.Release()
		time.Sleep(5 * time.Second)
		writing, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		fresh, err := pool.Acquire(writing)
		if err != nil {
			t.Fatalf("after %s: %v", time.Since(start), err)
		}
		defer fresh.Release()
		if fresh.Conn() == dead || time.Since(start) > 3*time.Second {
			t.Errorf("after %s the connection is the dead one: %t", time.Since(start), fresh.Conn() == dead)
		}
	})
}

// failures is told what fails.
type failures chan error

func (f failures) Dropped(time.Time) {}
func (f failures) Kept(time.Time)    {}
func (f failures) Failed(err error)  { f <- err }

// Who works in the background gives a silent server up within minutes, and says so.
func TestKeepersOfASilentServer(t *testing.T) {
	for name, keep := range map[string]func(context.Context, *pgxpool.Pool, failures){
		"the days to come": func(ctx context.Context, pool *pgxpool.Pool, f failures) {
			postgres.NewStore(pool, nil).Maintain(ctx, f.Failed)
		},
		"retention": func(ctx context.Context, pool *pgxpool.Pool, f failures) {
			postgres.NewStore(pool, nil).Retain(ctx, 24*time.Hour, f)
		},
		"the outbox": func(ctx context.Context, pool *pgxpool.Pool, f failures) {
			postgres.KeepOutboxShort(ctx, pool, f.Failed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pool := silent(t)
				defer pool.Close()
				keeping, stop := context.WithCancel(t.Context())
				failed := make(failures, 100)
				var keeper sync.WaitGroup
				keeper.Go(func() { keep(keeping, pool, failed) })
				time.Sleep(2 * time.Minute)
				if len(failed) == 0 {
					t.Error("it waits on")
				}
				stop()
				keeper.Wait()
			})
		})
	}
}
