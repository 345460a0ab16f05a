package ingestion_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// players send events to a service until stop, several at once.
type players struct {
	group   sync.WaitGroup
	stopped atomic.Bool
	refused atomic.Int64

	mu    sync.Mutex
	acked []string // ids
}

func startPlayers(t *testing.T, s *serve.Service) *players {
	p := &players{}
	for range 4 {
		p.group.Go(func() {
			for !p.stopped.Load() {
				p.send(t, s)
			}
		})
	}
	p.group.Go(func() {
		for ; !p.stopped.Load(); time.Sleep(20 * time.Millisecond) {
			response, err := http.Get("http://" + s.Address + eventapi.HealthPath)
			if err != nil {
				t.Errorf("liveness: %v", err)
				continue
			}
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("liveness is %d", response.StatusCode)
			}
		}
	})
	return p
}

// send sends an event, which is stored or refused for now.
func (p *players) send(t *testing.T, s *serve.Service) {
	response, err := http.Post("http://"+s.Address+eventapi.EventsPath, eventapi.JSON, strings.NewReader(event("p", "null")))
	if err != nil {
		t.Errorf("an event has no answer: %v", err)
		return
	}
	defer response.Body.Close()
	var accepted eventapi.Accepted
	switch err := json.NewDecoder(response.Body).Decode(&accepted); {
	case response.StatusCode == http.StatusCreated && err == nil:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.acked = append(p.acked, accepted.EventID)
	case response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "":
		p.refused.Add(1)
	default:
		t.Errorf("an event is answered %d %v, %v", response.StatusCode, response.Header, err)
	}
}

func (p *players) acknowledged() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.acked)
}

func (p *players) stop() {
	p.stopped.Store(true)
	p.group.Wait()
}

// A synchronous standby takes over: events are refused for now until it does, the service
// needs no restart, and what it answered with success is there.
func TestServeFailsOver(t *testing.T) {
	primary := postgres.Start(t, postgres.Options{})
	dsn := primary.Database(t)
	standby := primary.Standby(t)
	primary.Synchronous(t)
	either := postgres.OneOf(t, dsn, primary, standby)
	s := command.Start(t, "--migrate", "--database-url", either, "--deadline", "2s")
	serve.Eventually(t, "the service is ready", func() bool { return s.Ready(t) })
	p := startPlayers(t, s)
	defer p.stop()
	serve.Eventually(t, "events are stored", func() bool { return p.acknowledged() > 100 })

	primary.Kill(t)
	serve.Eventually(t, "the service is not ready", func() bool { return !s.Ready(t) })
	serve.Eventually(t, "events are refused", func() bool { return p.refused.Load() > 0 })
	before := p.acknowledged()
	standby.Promote(t)
	serve.Eventually(t, "the service is ready again", func() bool { return s.Ready(t) })
	serve.Eventually(t, "events are stored again", func() bool { return p.acknowledged() > before+100 })
	p.stop()

	conn, err := pgx.Connect(t.Context(), either)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var lost int
	const query = `SELECT count(*) FROM unnest($1::uuid[]) AS acked WHERE acked NOT IN (SELECT event_id FROM events)`
	if err := conn.QueryRow(t.Context(), query, p.acked).Scan(&lost); err != nil {
		t.Fatal(err)
	}
	if lost > 0 {
		t.Errorf("of %d events that were answered with success %d are lost", len(p.acked), lost)
	}
}
