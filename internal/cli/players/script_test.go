package players_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gamemetrics/gmctl/internal/cli"
	"github.com/gamemetrics/gmctl/internal/postgres"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/script"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

var pg = testpostgres.Shared{Options: testpostgres.Options{Unsafe: true}}

// shared is a testing.M that stops the shared PostgreSQL at its end.
type shared struct{ *testing.M }

func (s shared) Run() int { return pg.Main(s.M) }

func TestMain(m *testing.M) {
	testscript.Main(shared{m}, map[string]func(){"gmctl": func() { os.Exit(cli.Main()) }})
}

// TestScripts runs what a user types against a PostgreSQL with 700 events of ada
// and one of bob, and three rejected events of ada and one of bob.
func TestScripts(t *testing.T) {
	script.Run(t, testscript.Params{Dir: filepath.Join("testdata", "script"), Setup: func(env *testscript.Env) error {
		dsn := pg.Database(env.T().(testing.TB))
		env.Setenv("GMCTL_DATABASE_URL", dsn)
		return fill(dsn)
	}})
}

func fill(dsn string) error {
	ctx := context.Background()
	pool, err := postgres.Open(ctx, postgres.Config{DSN: dsn})
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := postgres.Migrate(ctx, pool, nil); err != nil {
		return err
	}
	records := make([]ingestion.Record, 701)
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i := range records {
		player := "ada"
		if i == 700 {
			player = "bob"
		}
		records[i] = ingestion.Record{Received: event.Received{ReceivedAt: now, Event: event.Event{
			EventID: uuid.New(), PlayerID: player, EventType: "step", Timestamp: now.Add(time.Duration(i-700) * time.Minute), Metadata: fmt.Appendf(nil, `{"i":%d}`, i),
		}}}
	}
	if _, err = postgres.NewStore(pool, nil).Write(ctx, records); err != nil {
		return err
	}
	return postgres.NewLetters(pool, nil).Keep(ctx, []ingestion.Letter{
		{Body: []byte("{\n \"playerId\": \"ada\"\n}"), Player: "ada", Reason: "required", Detail: "eventType is required"},
		{Body: []byte(`{"playerId":"ada"`), Player: "ada", Reason: "malformed"},
		{Body: []byte("{\"playerId\":\"ada\"\xff"), Player: "ada", Reason: "invalid-utf8"},
		{Body: []byte(`{"playerId":"bob"}`), Player: "bob", Reason: "required"},
	})
}
