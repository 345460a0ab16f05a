package passage_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	command "github.com/gamemetrics/gmctl/internal/cli/serve/passage"
	"github.com/gamemetrics/gmctl/internal/passage"
	"github.com/gamemetrics/gmctl/internal/postgres"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
)

var pg = testpostgres.Shared{Options: testpostgres.Options{Unsafe: true}}

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

// enter is what gmctl does outside the cluster.
func enter(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		if err := passage.Enter(ctx, conn); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return conn, nil
	}
}

// elsewhere is a connection string whose host only the passage knows.
func elsewhere(t *testing.T, dsn string) string {
	t.Helper()
	at, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	at.Host = "db.inside.invalid:5432"
	return at.String()
}

// Sessions go through as if the database were here, several at once and more than
// a buffer each way.
func TestPassage(t *testing.T) {
	dsn := pg.Database(t)
	address, err := postgres.Address(dsn)
	if err != nil {
		t.Fatal(err)
	}
	service := serve.Command(command.NewCommand).Start(t, "--database-url", "postgres://"+address+"/")
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: elsewhere(t, dsn), Dial: enter(service.Address), MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	sent := strings.Repeat("x", 1<<20)
	failed := make(chan error)
	for range 4 {
		go func() {
			var got string
			err := pool.QueryRow(t.Context(), "SELECT $1::text || pg_sleep(0.1)::text", sent).Scan(&got)
			if err == nil && got != sent {
				err = errors.New("what came back is not what was sent")
			}
			failed <- err
		}()
	}
	for range 4 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	// Its end is not held up by who is still connected.
	if err := service.Stop(t); err != nil {
		t.Error(err)
	}
	if err := pool.Ping(t.Context()); err == nil {
		t.Error("a connection outlives the passage")
	}
}

func TestPassageSaysWhyItIsClosed(t *testing.T) {
	service := serve.Command(command.NewCommand).Start(t, "--database-url", "postgres://127.0.0.1:1/")
	_, err := enter(service.Address)(t.Context(), "", "")
	if closed, ok := errors.AsType[passage.Closed](err); !ok || !strings.Contains(string(closed), "connection refused") {
		t.Errorf("%v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := enter(listener.Addr().String())(ctx, "", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	err = serve.Command(command.NewCommand).Run(t.Context(), os.Stderr, "--database-url", "no address")
	if exitcode.Of(err) != exitcode.Usage {
		t.Errorf("%v", err)
	}
}
