package schema_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/serve/ingestion"
	"github.com/gamemetrics/gmctl/internal/cli/serve/relay"
	"github.com/gamemetrics/gmctl/internal/cli/serve/schema"
	"github.com/gamemetrics/gmctl/internal/problem"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

var pg = postgres.Shared{Options: postgres.Options{Unsafe: true, Settings: map[string]string{"log_statement": "all"}}}

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

var (
	command = serve.Command(schema.NewCommand)
	stores  = serve.Command(ingestion.NewCommand)
	relays  = serve.Command(relay.NewCommand)
)

const (
	masterPassword = "master-hunter2-secret"
	appPassword    = "app-hunter2-secret"
)

// platformKey is the same each time: its text is made of nothing but its form.
func platformKey() apikey.Secret {
	return apikey.Read("gmk_" + strings.Repeat("0", 42) + "1" + "2i3g3x")
}

// managed is a database as RDS has it: its owner is no superuser and may make
// roles. It returns the URL without who logs in, and the owner's and the
// services' roles, which are the test's own: roles are those of the server.
func managed(t *testing.T) (address, master, app string) {
	t.Helper()
	at, err := url.Parse(pg.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(at.Path, "/")
	master, app = "master_"+database, "app_"+database
	as(t, pg.Server(t).SuperuserDSN(database),
		fmt.Sprintf("CREATE ROLE %s LOGIN CREATEROLE CREATEDB PASSWORD '%s'", master, masterPassword),
		fmt.Sprintf("GRANT pg_monitor TO %s WITH ADMIN OPTION", master),
		fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", database, master))
	at.User = nil
	t.Setenv("GMCTL_DATABASE_URL", at.String())
	t.Setenv("GMCTL_DATABASE_USER", master)
	t.Setenv("GMCTL_DATABASE_PASSWORD", masterPassword)
	t.Setenv("GMCTL_APP_USER", app)
	t.Setenv("GMCTL_APP_PASSWORD", appPassword)
	t.Setenv("GMCTL_PLATFORM_KEY", platformKey().Reveal())
	return at.String(), master, app
}

// as executes statements, and fails the test where one fails.
func as(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := try(t, dsn, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func try(t *testing.T, dsn, statement string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.Exec(t.Context(), statement)
	return err
}

func login(address, user, password string) string {
	return strings.Replace(address, "://", "://"+user+":"+password+"@", 1)
}

func TestSchema(t *testing.T) {
	address, master, app := managed(t)
	var log bytes.Buffer
	for range 2 { // the second changes nothing
		if err := command.Run(t.Context(), &log); err != nil {
			t.Fatal(err, problem.From(err).Next)
		}
	}
	if text := log.String(); strings.Contains(text, "hunter2") || strings.Contains(text, platformKey().Reveal()) || strings.Count(text, "00002_app_role.sql") != 1 {
		t.Errorf("the log is %s", text)
	}
	t.Run("what the services do", func(t *testing.T) { services(t, address, app) })

	role := login(address, app, appPassword)
	for _, statement := range []string{
		"DROP TABLE events", "ALTER TABLE events ADD COLUMN x int", "DELETE FROM events", "UPDATE events SET player_id = 'x'", "TRUNCATE events",
		"UPDATE platform SET start_seq = 1", "DELETE FROM platform", "SELECT * FROM goose_db_version", "CREATE TABLE mine (x int)",
		"CREATE TEMPORARY TABLE events (x int)", "SELECT * FROM pg_authid", "CREATE ROLE friend", "CREATE DATABASE another",
		"ALTER ROLE " + master + " PASSWORD 'x'", "SET ROLE " + master, "DROP FUNCTION events_blocker()",
		"SELECT setval('events_seq', 1)", "COPY events TO PROGRAM 'cat'", "SELECT pg_read_file('/etc/passwd')",
	} {
		if err := try(t, role, statement); err == nil {
			t.Errorf("the services may: %s", statement)
		}
	}

	// A new password, and the old one opens nothing.
	t.Setenv("GMCTL_APP_PASSWORD", "rotated-secret")
	if err := command.Run(t.Context(), &log); err != nil {
		t.Fatal(err)
	}
	if err := try(t, role, "SELECT 1"); err == nil {
		t.Error("the old password still opens the database")
	}
	as(t, login(address, app, "rotated-secret"), "SELECT count(*) FROM events")
}

// services runs ingestion and relay as the role.
func services(t *testing.T, address, app string) {
	t.Helper()
	t.Setenv("GMCTL_DATABASE_USER", app)
	t.Setenv("GMCTL_DATABASE_PASSWORD", appPassword)
	ingests := stores.Start(t, "--database-url", address, "--require-key")
	serve.Eventually(t, "ingestion is ready", func() bool { return ingests.Ready(t) })
	now := time.Now().UTC()
	for _, day := range []time.Time{now, now.AddDate(0, 0, -20)} { // one day has no partition yet
		body := fmt.Sprintf(`{"playerId":"p1","eventType":"login","timestamp":%q}`, day.Format(time.RFC3339Nano))
		if status, answer := ingests.Post(t, eventapi.EventsPath, body); status != 401 {
			t.Errorf("an event without a key was answered %d %s", status, answer)
		}
		if status, answer := ingests.Post(t, eventapi.EventsPath+"?key="+platformKey().Reveal(), body); status != 201 {
			t.Errorf("an event was answered %d %s", status, answer)
		}
	}
	relay := relays.Start(t, "--database-url", address, "--brokers", testkafka.Fake(t))
	serve.Eventually(t, "both events are published", func() bool {
		_, metrics := relay.Get(t, "/metrics")
		return strings.Contains(metrics, "\ngmctl_relay_events_published_total 2\n")
	})
	if err := relay.Stop(t); err != nil {
		t.Errorf("the relay ended with %v", err)
	}
	if err := ingests.Stop(t); err != nil {
		t.Errorf("ingestion ended with %v", err)
	}
	if logs := ingests.Log() + relay.Log(); strings.Contains(logs, "hunter2") || strings.Contains(logs, "WARN") || strings.Contains(logs, "ERROR") {
		t.Errorf("the logs are %s", logs)
	}
}

// The password is in nothing that the server writes down, and what holds back
// the relay is named to a role that sees no other role's sessions.
func TestPasswordIsNotTold(t *testing.T) {
	address, master, app := managed(t)
	if err := command.Run(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	if log := pg.Server(t).Log(); strings.Contains(log, appPassword) || strings.Contains(log, platformKey().Reveal()) || !strings.Contains(log, "PASSWORD 'SCRAM-SHA-256") {
		t.Error("the server's log holds the password, or not the statement that sets it")
	}
	conn, err := pgx.Connect(t.Context(), login(address, master, masterPassword))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), "BEGIN; SELECT pg_current_xact_id()"); err != nil {
		t.Fatal(err)
	}
	service, err := pgx.Connect(t.Context(), login(address, app, appPassword))
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close(context.WithoutCancel(t.Context()))
	var blocker string
	if err := service.QueryRow(t.Context(), "SELECT events_blocker()").Scan(&blocker); err != nil || !strings.Contains(blocker, "user "+master) {
		t.Errorf("held back by %q, %v", blocker, err)
	}
}

func TestSeveralAtOnce(t *testing.T) {
	managed(t)
	var group errgroup.Group
	for range 4 {
		group.Go(func() error { return command.Run(t.Context(), io.Discard) })
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

func TestWaitsForPostgreSQL(t *testing.T) {
	server := postgres.Start(t, postgres.Options{Unsafe: true})
	as(t, server.SuperuserDSN("postgres"), "ALTER ROLE gamemetrics CREATEROLE")
	server.Stop(t)
	t.Setenv("GMCTL_APP_PASSWORD", appPassword)
	err := command.Run(t.Context(), io.Discard, "--database-url", server.DSN(), "--wait", "300ms")
	if p := problem.From(err); p == nil || !strings.Contains(err.Error(), "did not answer within 300ms: nothing listens at") || p.Next == "" {
		t.Errorf("%v", err)
	}
	ended := make(chan error, 1)
	var log bytes.Buffer
	go func() { ended <- command.Run(t.Context(), &log, "--database-url", server.DSN()) }()
	time.Sleep(200 * time.Millisecond)
	server.Restart(t)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "waiting for PostgreSQL") {
		t.Errorf("the log is %s", log.String())
	}
}

func TestRefusals(t *testing.T) {
	_, master, _ := managed(t)
	for _, c := range []struct {
		name, variable, value, says string
		code                        int
	}{
		{"a wrong password", "GMCTL_DATABASE_PASSWORD", "wrong-hunter2", "refused the login of " + master, exitcode.Failed},
		{"no password for the role", "GMCTL_APP_PASSWORD", "", "no password for the services' role", exitcode.Usage},
		{"a key that is none", "GMCTL_PLATFORM_KEY", "hunter2", "is no API key", exitcode.Usage},
		{"the owner as the services' role", "GMCTL_APP_USER", master, "is the owner of the schema", exitcode.Failed},
		{"a name that is none", "GMCTL_APP_USER", `x"; DROP TABLE events; --`, "is no name for it", exitcode.Failed},
		{"a superuser as the services' role", "GMCTL_APP_USER", "postgres", "may do more than a service should", exitcode.Failed},
		{"a password that SCRAM would change", "GMCTL_APP_PASSWORD", "hunter2-\u00aa", "more than ASCII", exitcode.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(c.variable, c.value)
			err := command.Run(t.Context(), io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.says) || exitcode.Of(err) != c.code || problem.From(err).Next == "" {
				t.Errorf("%v (exit code %d)", err, exitcode.Of(err))
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is told: %v", err)
			}
		})
	}
}
