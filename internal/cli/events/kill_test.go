package events_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/ingestion"
)

// gmctl is this test binary as gmctl, with a home of its own.
func gmctl(ctx context.Context, home, url string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), asGmctl+"=1", "HOME="+home, "XDG_STATE_HOME=", "XDG_DATA_HOME=", "GMCTL_URL="+url, "TERM=dumb")
	cmd.Dir = home
	return cmd
}

func database(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: pg.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if err := postgres.Migrate(t.Context(), pool, nil); err != nil {
		t.Fatal(err)
	}
	return pool
}

// The process is killed with SIGKILL at random moments and run again, against
// the real service over the real PostgreSQL: in the end each line is stored
// exactly once.
func TestAnImportKilledForRealStoresEachLineOnce(t *testing.T) {
	pool := database(t)
	url := ingestion.Start(t, postgres.NewStore(pool, nil), nil)
	home := t.TempDir()
	const lines, rejected = 40_000, 4
	var content bytes.Buffer
	now := time.Now().UTC().Truncate(time.Second)
	for i := range lines {
		if i%(lines/rejected) == 17 {
			content.WriteString("no event\n")
			continue
		}
		fmt.Fprintf(&content, `{"playerId":"p%d","eventType":"login","timestamp":%q,"metadata":{"line":%d}}`+"\n", i%100, now.Add(-time.Duration(i)*time.Second).Format(time.RFC3339), i)
	}
	file := filepath.Join(home, "history.ndjson")
	if err := os.WriteFile(file, content.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	kills := 0
	for round := range 10 { // the first is killed early, before a quick machine is through
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(40+random.IntN(60*(round+1)))*time.Millisecond)
		err := gmctl(ctx, home, url, "events", "import", file).Run()
		if ctx.Err() != nil && err != nil {
			kills++
		}
		cancel()
	}
	output, err := gmctl(t.Context(), home, url, "events", "import", file).CombinedOutput()
	if err == nil || !strings.Contains(string(output), fmt.Sprintf("%d of 40,000 events were rejected", rejected)) {
		t.Fatalf("seed %d: the last run: %v\n%s", seed, err, output)
	}
	var stored, distinct int
	if err := pool.QueryRow(t.Context(), "SELECT count(*), count(DISTINCT metadata_json->>'line') FROM events").Scan(&stored, &distinct); err != nil {
		t.Fatal(err)
	}
	if stored != lines-rejected || distinct != stored || kills == 0 {
		t.Errorf("seed %d: %d events stored of %d different lines after %d kills, want %d", seed, stored, distinct, kills, lines-rejected)
	}
	rejects, err := os.ReadFile(file + ".rejects.ndjson")
	if err != nil || bytes.Count(rejects, []byte("\n")) != rejected {
		t.Errorf("seed %d: reject file: %v\n%s", seed, err, rejects)
	}
}

func TestASimulationStoresAllItSends(t *testing.T) {
	pool := database(t)
	url := ingestion.Start(t, postgres.NewStore(pool, nil), nil)
	output, err := gmctl(t.Context(), t.TempDir(), url, "events", "simulate", "--rate", "1000", "--duration", "2s", "--seed", "1").CombinedOutput()
	if err != nil || !strings.Contains(string(output), "stored") {
		t.Fatalf("%v\n%s", err, output)
	}
	var stored, backwards int
	// Per player, what was sent later is stored later.
	const query = `SELECT count(*), count(*) FILTER (WHERE "timestamp" < before) FROM
		(SELECT "timestamp", lag("timestamp") OVER (PARTITION BY player_id ORDER BY seq) AS before FROM events) AS ordered`
	if err := pool.QueryRow(t.Context(), query).Scan(&stored, &backwards); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.ReplaceAll(string(output), ",", ""), fmt.Sprintf("stored    %d\n", stored)) || stored < 100 || backwards != 0 {
		t.Errorf("%d stored, %d out of order; it says\n%s", stored, backwards, output)
	}
}
