package ingestion_test

import (
	"context"
	"maps"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// hanging takes events, and answers nothing else before its callers give up. It counts who
// waits.
type hanging struct {
	*memory
	mu        sync.Mutex
	now, most map[string]int
}

func (h *hanging) hang(ctx context.Context, call string) error {
	h.mu.Lock()
	h.now[call]++
	h.most[call] = max(h.most[call], h.now[call])
	h.mu.Unlock()
	<-ctx.Done()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now[call]--
	return ctx.Err()
}

func (h *hanging) Ping(ctx context.Context) error { return h.hang(ctx, "ping") }

func (h *hanging) Event(ctx context.Context, _ string, _ uuid.UUID) ([]ingestion.Record, error) {
	return nil, h.hang(ctx, "read")
}

func (h *hanging) Keep(ctx context.Context, _ []ingestion.Letter) error {
	return h.hang(ctx, "letters")
}

func (h *hanging) Backlog(ctx context.Context) (ingestion.Backlog, error) {
	return ingestion.Backlog{}, h.hang(ctx, "backlog")
}

// hangingKeys are the keys of a store that hangs.
type hangingKeys struct {
	*keys
	*hanging
}

func (h hangingKeys) Keys(ctx context.Context) ([]apikey.Key, error) { return nil, h.hang(ctx, "keys") }

// However many ask, a few of them work with the database at the same time, so that events
// have it: no more than connections are counted for.
func TestCallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hanging{memory: &memory{}, now: map[string]int{}, most: map[string]int{}}
		server, err := ingestion.New(ingestion.Config{
			Store: store, Reader: store, Letters: store, Backlog: store, Keys: hangingKeys{&keys{}, store},
			OpenHere: true, DeadLetters: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		send := func(method, path, key, body string) int {
			r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
			r.RemoteAddr = "127.0.0.1:50000"
			r.Header.Set("Content-Type", eventapi.JSON)
			r.Header.Set("X-Api-Key", key)
			w := httptest.NewRecorder()
			server.Handler().ServeHTTP(w, r)
			return w.Code
		}
		var askers sync.WaitGroup
		for range 8 {
			for _, asked := range [][4]string{
				{"GET", single + "/" + id}, {"POST", single, "", "{}"}, {"GET", eventapi.ReadyPath}, {"POST", single, apikey.New().Reveal(), noID},
			} {
				askers.Go(func() {
					if status := send(asked[0], asked[1], asked[2], asked[3]); status != 503 {
						t.Errorf("%s is answered %d", asked, status)
					}
				})
			}
		}
		synctest.Wait()
		event := strings.Replace(noID, "2026-03-01T11:59:59", time.Now().Format("2006-01-02T15:04:05"), 1)
		if status := send("POST", single, "", event); status != 201 {
			t.Errorf("an event is answered %d", status)
		}
		askers.Wait()
		server.Close(t.Context())
		if want := map[string]int{"read": 2, "letters": 2, "keys": 1, "backlog": 1, "ping": 1}; !maps.Equal(store.most, want) {
			t.Errorf("at the same time there were %v calls, want %v", store.most, want)
		}
		total := 1 // keys whose use is noted
		for _, calls := range store.most {
			total += calls
		}
		if total != ingestion.CallsAtOnce {
			t.Errorf("at the same time there were up to %d calls, counted for are %d", total, ingestion.CallsAtOnce)
		}
	})
}
