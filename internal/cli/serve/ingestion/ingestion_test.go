package ingestion_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/serve/ingestion"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

var pg = postgres.Shared{Options: postgres.Options{Unsafe: true}}

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

// command is `gmctl serve ingestion`.
var command = serve.Command(ingestion.NewCommand)

// event returns the event of a player now, with the given metadata.
func event(player, metadata string) string {
	return fmt.Sprintf(`{"playerId":%q,"eventType":"login","timestamp":%q,"metadata":%s}`, player, time.Now().Format(time.RFC3339Nano), metadata)
}

func count(t *testing.T, dsn, query string, args ...any) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var n int
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestServeStoresEvents(t *testing.T) {
	dsn := pg.Database(t)
	t.Setenv("GMCTL_DATABASE_URL", dsn)
	s := command.Start(t, "--migrate")
	serve.Eventually(t, "the service is ready", func() bool { return s.Ready(t) })

	status, answer := s.Post(t, eventapi.EventsPath, event("p1", `{"level":7}`))
	var accepted eventapi.Accepted
	if err := json.Unmarshal([]byte(answer), &accepted); status != 201 || err != nil {
		t.Fatalf("the answer is %d %s", status, answer)
	}
	if n := count(t, dsn, `SELECT count(*) FROM events WHERE event_id = $1 AND player_id = 'p1' AND metadata_json->>'level' = '7'`, accepted.EventID); n != 1 {
		t.Errorf("the event is there %d times", n)
	}
	if status, answer = s.Post(t, eventapi.BatchPath, "["+event("p2", "{}")+`,{},`+event("p2", "null")+"]"); status != 207 {
		t.Errorf("the batch was answered %d %s", status, answer)
	}
	if n := count(t, dsn, `SELECT count(*) FROM events WHERE player_id = 'p2'`); n != 2 {
		t.Errorf("%d events of the batch are there", n)
	}
	if err := s.Stop(t); err != nil {
		t.Errorf("the service ended with %v", err)
	}
	if log := s.Log(); !strings.Contains(log, "ingestion stopped") || strings.Contains(log, "WARN") {
		t.Errorf("the log is %s", log)
	}
}

// Whatever validation lets through, PostgreSQL takes: the answer is 201 or 400,
// and never that the database refuses it.
func TestServeOddMetadata(t *testing.T) {
	s := command.Start(t, "--migrate", "--database-url", pg.Database(t))
	serve.Eventually(t, "the service is ready", func() bool { return s.Ready(t) })
	for _, metadata := range []string{
		`{"n":1.7976931348623157e308}`, `{"n":-4.9e-308}`, `{"n":0e-308}`, `{"n":` + strings.Repeat("9", 128) + `}`,
		`{"n":0.` + strings.Repeat("1", 120) + `e-308}`, `{"n":1e309}`, `{"n":1e131072}`, `{"n":1e-20000}`,
		`{"s":"\u0000"}`, `{"s":"\ud83c\udfae\uffff\ufffe\u0001\u001f\u007f"}`, `{"s":"\ud83c"}`, `{"\u0000":1}`,
		`{"":{"":[[],{},null]}}`, strings.Repeat(`{"a":`, 31) + "[]" + strings.Repeat("}", 31),
		`{"` + strings.Repeat("k", 30000) + `":1}`, `{"s":"\\u0000 \\\\u0000"}`,
	} {
		status, answer := s.Post(t, eventapi.EventsPath, event("odd", metadata))
		if status != 201 && status != 400 || strings.Contains(answer, "unstorable") {
			t.Errorf("%.80s was answered %d %s", metadata, status, answer)
		}
	}
	for _, player := range []string{"\u2028", "\u202eoverride", "e\u0301", "𝔘\ufffe"} {
		if status, answer := s.Post(t, eventapi.EventsPath, event(player, "null")); status != 201 && status != 400 || strings.Contains(answer, "unstorable") {
			t.Errorf("the player %q was answered %d %s", player, status, answer)
		}
	}
}

// The database may come later, go, and come again; the service needs no restart.
func TestServeOutlivesItsDatabase(t *testing.T) {
	server := postgres.Start(t, postgres.Options{}) // durable: what was answered must survive the kill
	server.Stop(t)
	s := command.Start(t, "--migrate", "--database-url", server.DSN(), "--deadline", "1s")
	if status, _ := s.Get(t, "/health"); status != 200 {
		t.Errorf("without a database liveness is %d", status)
	}
	if status, body := s.Get(t, "/ready"); status != 503 || !strings.Contains(body, "nothing listens") {
		t.Errorf("without a database readiness is %d %s", status, body)
	}
	status, answer := s.Post(t, eventapi.EventsPath, event("early", "null"))
	if status != 503 {
		t.Errorf("without a database an event was answered %d %s", status, answer)
	}
	ready := func() bool { return s.Ready(t) }

	server.Restart(t)
	serve.Eventually(t, "the service is ready when the database has come", ready)
	if status, answer = s.Post(t, eventapi.EventsPath, event("between", "null")); status != 201 {
		t.Errorf("with a database an event was answered %d %s", status, answer)
	}
	server.Kill(t)
	// Sessions outlive the postmaster for a moment; what they commit is committed.
	late := 0
	serve.Eventually(t, "events are refused after the database was killed", func() bool {
		status, answer := s.Post(t, eventapi.EventsPath, event("late", "null"))
		if status == 201 {
			late++
		} else if status != 503 {
			t.Errorf("after the database was killed an event was answered %d %s", status, answer)
		}
		return status == 503
	})
	server.Restart(t)
	serve.Eventually(t, "the service is ready again", ready)
	if status, answer = s.Post(t, eventapi.EventsPath, event("late", "null")); status != 201 {
		t.Errorf("with the database back an event was answered %d %s", status, answer)
	}
	if n := count(t, server.DSN(), `SELECT count(*) FROM events WHERE player_id = 'between'`); n != 1 {
		t.Errorf("the event answered before the crash is there %d times", n)
	}
	if n := count(t, server.DSN(), `SELECT count(*) FROM events WHERE player_id = 'late'`); n < late+1 {
		t.Errorf("of %d events answered around the crash %d are there", late+1, n)
	}
}

func TestServeKeepsThePasswordToItself(t *testing.T) {
	const secret = "hunter2-secret"
	s := command.Start(t, "--migrate", "--log-level", "debug", "--database-url", "postgres://gamemetrics:"+secret+"@127.0.0.1:1/gamemetrics")
	_, ready := s.Get(t, "/ready")
	_, answer := s.Post(t, eventapi.EventsPath, event("p", "null"))
	_, metrics := s.Get(t, "/metrics")
	if err := s.Stop(t); err != nil {
		t.Errorf("the service ended with %v", err)
	}
	for where, text := range map[string]string{"readiness": ready, "the answer": answer, "the metrics": metrics, "the log": s.Log()} {
		if strings.Contains(text, secret) {
			t.Errorf("the password is in %s: %s", where, text)
		}
	}
}

func TestServeRefusesWhatCannotBeMeant(t *testing.T) {
	const secret = "hunter2-secret"
	t.Setenv("GMCTL_WRITERS", "3")
	for _, test := range []struct {
		name string
		args []string
		env  string // of GMCTL_MAX_AGE
		says string
		code int
	}{
		{"a zero limit", []string{"--max-age=0s"}, "", "--max-age must be more than zero", exitcode.Usage},
		{"a retention that forgets what may be sent again", []string{"--retention=30"}, "", "--retention must be a day more than --max-age", exitcode.Usage},
		{"a negative limit", []string{"--max-body=-1"}, "", "--max-body must be more than zero", exitcode.Usage},
		{"a variable with nonsense", nil, "a month", "GMCTL_MAX_AGE", exitcode.Usage},
		{"a negative rate", []string{"--player-rate=-1"}, "", "a rate cannot be negative", exitcode.Usage},
		{"what is no network", []string{"--self-network=office"}, "", `--self-network "office" is no network`, exitcode.Usage},
		{"a log level", []string{"--log-level=loud"}, "", `no log level "loud"`, exitcode.Usage},
		{"a certificate without its key", []string{"--tls-cert=tls.crt"}, "", "--tls-cert and --tls-key go together", exitcode.Usage},
		{"a certificate that is not there", []string{"--tls-cert=none.crt", "--tls-key=none.key"}, "", "the TLS certificate cannot be read", exitcode.Usage},
		{"an address", []string{"--listen=nowhere"}, "", "cannot listen on nowhere", exitcode.Usage},
		{"a connection string", []string{"--database-url=postgres://u:" + secret + "@host:port/db"}, "", "connection string cannot be read", exitcode.Usage},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("GMCTL_MAX_AGE", test.env)
			err := command.Run(t.Context(), io.Discard, test.args...)
			if err == nil || !strings.Contains(err.Error(), test.says) || exitcode.Of(err) != test.code {
				t.Errorf("the error is %v (exit code %d), want it to say %q (exit code %d)", err, exitcode.Of(err), test.says, test.code)
			}
			if err != nil && strings.Contains(err.Error()+problem.From(err).Next, secret) {
				t.Errorf("the password is in %v", err)
			}
		})
	}
	t.Run("a taken address", func(t *testing.T) {
		s := command.Start(t, "--database-url", "postgres://127.0.0.1:1/x")
		err := command.Run(t.Context(), io.Discard, "--listen", s.Address, "--database-url", "postgres://127.0.0.1:1/x")
		if err == nil || !strings.Contains(err.Error(), "another process listens on 127.0.0.1:") {
			t.Errorf("the error is %v", err)
		}
	})
}
