package relay_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/services/relay"
)

// text is what was logged.
type text struct {
	mu      sync.Mutex
	written bytes.Buffer
}

func (l *text) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.Write(line)
}

func (l *text) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.String()
}

// Someone forgets a transaction that has written: the relay works, has nothing to publish,
// and says who it is, in its status and once in the log.
func TestAForgottenTransactionIsNamed(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.lanes(3)
	forgotten, err := pgx.Connect(t.Context(), s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer forgotten.Close(t.Context())
	if _, err := forgotten.Exec(t.Context(), "SET application_name = 'psql'; BEGIN; SELECT pg_current_xact_id()"); err != nil {
		t.Fatal(err)
	}
	var log text
	config := relay.Config{Kafka: cfg, Lease: time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))}
	g := startGroup(t, s.source, config)
	config.Source, config.Lanes, config.Lane = s.source, s.source, "other"
	r := start(t, config)
	s.write(5)
	held := func(status relay.Status) bool {
		return status.State == relay.Running && status.Held != nil
	}
	if !holdsWithin(30*time.Second, func() bool { return held(g.Status()) && held(r.Status()) }) {
		t.Fatalf("nothing is told: %+v, %+v", g.Status(), r.Status())
	}
	pid := forgotten.PgConn().PID()
	session, remedy := fmt.Sprintf("session %d (psql, user ", pid), fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid)
	for _, p := range []*relay.Status{new(g.Status()), new(r.Status())} {
		if why := p.Held; !strings.Contains(why.Error(), session) || !strings.Contains(why.Next, remedy) {
			t.Errorf("it tells %v; next: %s", why, why.Next)
		}
	}
	first, other := g.Status().Held, r.Status().Held
	await(t, "they look again", func() bool { return g.Status().Held != first && r.Status().Held != other })
	if told := log.String(); strings.Count(told, session) != 2 || strings.Count(told, remedy) != 2 {
		t.Errorf("the log does not name it once a relay:\n%s", told)
	}
	if _, err := forgotten.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	await(t, "all is published", func() bool { return g.Status().Published == 5 && r.Status().Published == 5 })
	await(t, "nothing is held back", func() bool { return g.Status().Held == nil && r.Status().Held == nil })
}
