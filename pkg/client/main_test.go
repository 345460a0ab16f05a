package client_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

var pg = testpostgres.Shared{Options: testpostgres.Options{Unsafe: true}}

// roleVariable makes this test binary one of the processes that tests kill.
const roleVariable = "CLIENT_TEST_ROLE"

func TestMain(m *testing.M) {
	role, ok := map[string]func(args []string) error{"server": beServer, "sender": beSender}[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(pg.Main(m))
	}
	if err := role(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start runs this binary in a role until the test ends or kills it.
func start(t *testing.T, role string, args ...string) *process.Process {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	p, err := process.Start(cmd, filepath.Join(t.TempDir(), role+".log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("the %s's log:\n%s", role, p.LogTail(20))
		}
	})
	return p
}

// platform is a real ingestion service with a real database, which can be killed
// and started again.
type platform struct {
	dsn, address string
	pool         *pgx.Conn
	server       *process.Process
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{dsn: pg.Database(t)}
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: p.dsn})
	if err != nil {
		t.Fatal(err)
	}
	err = postgres.Migrate(t.Context(), pool, nil)
	pool.Close()
	if err != nil {
		t.Fatal(err)
	}
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	p.address = fmt.Sprintf("127.0.0.1:%d", port)
	if p.pool, err = pgx.Connect(t.Context(), p.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.pool.Close(context.Background()) })
	return p
}

func (p *platform) url() string { return "http://" + p.address }

// start starts the service; it may take a moment until it serves.
func (p *platform) start(t *testing.T) {
	t.Helper()
	p.server = start(t, "server", p.dsn, p.address)
}

func beServer(args []string) error {
	ctx := context.Background()
	pool, err := postgres.Open(ctx, postgres.Config{DSN: args[0]})
	if err != nil {
		return err
	}
	defer pool.Close()
	server, err := ingestion.New(ingestion.Config{Store: postgres.NewStore(pool, nil)})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", args[1])
	if err != nil {
		return err
	}
	return server.Run(ctx, listener)
}

// stored returns how often each event is stored, and the numbers of each player's
// events in the order in which they were stored.
func (p *platform) stored(t *testing.T) (times map[string]int, order map[string][]int) {
	t.Helper()
	rows, err := p.pool.Query(t.Context(), `SELECT event_id::text, player_id, (metadata_json->>'n')::int FROM events ORDER BY transaction_id, seq`)
	if err != nil {
		t.Fatal(err)
	}
	times, order = map[string]int{}, map[string][]int{}
	var id, player string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&id, &player, &n}, func() error {
		times[id]++
		order[player] = append(order[player], n)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return times, order
}
