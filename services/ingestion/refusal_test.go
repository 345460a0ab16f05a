package ingestion_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/ratelimit"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// ask has the handler answer one request.
func ask(handler http.Handler, path string, body io.Reader, key string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, body)
	r.Header.Set("Content-Type", eventapi.JSON)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// unread is a body that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// What will be refused whatever it is, is refused before its body is read.
func TestRefusedBeforeItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := &stuckWriter{Store: &memory{}, begun: make(chan int, 100), release: make(chan struct{})}
		queue, err := ingestion.New(ingestion.Config{
			Store: stuck, Commit: ingestion.CommitOptions{Writers: 1, MaxQueue: 2}, Now: func() time.Time { return now },
		})
		if err != nil {
			t.Fatal(err)
		}
		backlog, err := ingestion.New(ingestion.Config{Store: &memory{}, Backlog: unpublished{Bytes: 1_000_000}, BacklogQuota: 1_000_000})
		if err != nil {
			t.Fatal(err)
		}
		defer backlog.Close(t.Context())
		for range 3 { // one is written, two wait
			go ask(queue.Handler(), single, strings.NewReader(noID), "")
			synctest.Wait()
		}
		for _, path := range []string{single, batch} {
			if got := ask(queue.Handler(), path, unread{t}, ""); got.Code != 503 || !strings.Contains(got.Body.String(), `"overloaded"`) {
				t.Errorf("with a full queue %s is answered %d %s", path, got.Code, got.Body)
			}
			if got := ask(backlog.Handler(), path, unread{t}, ""); got.Code != 503 || !strings.Contains(got.Body.String(), `"backlog-full"`) {
				t.Errorf("with a full backlog %s is answered %d %s", path, got.Code, got.Body)
			}
		}
		close(stuck.release)
		queue.Close(t.Context())
	})
}

// late is a mailbox that takes no letter in time.
type late struct{}

func (late) Keep(ctx context.Context, _ []ingestion.Letter) error {
	<-ctx.Done()
	return ctx.Err()
}

// Events and the letters of those that are rejected have one deadline.
func TestLettersHaveNoDeadlineOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := ingestion.New(ingestion.Config{
			Store: &memory{delay: 600 * time.Millisecond}, Letters: late{}, DeadLetters: true,
			Deadline: time.Second, Now: func() time.Time { return now },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close(t.Context())
		for path, body := range map[string]string{
			single: strings.Replace(noID, "p1", poison, 1),
			batch:  "[" + noID + ",{}]",
		} {
			start := time.Now()
			if got := ask(server.Handler(), path, strings.NewReader(body), ""); got.Code != 503 || time.Since(start) != time.Second {
				t.Errorf("%s is answered %d after %s", path, got.Code, time.Since(start))
			}
		}
	})
}

// What is answered 503 comes again, and costs nothing of a limit until it is taken.
func TestRefusedAtNoCost(t *testing.T) {
	k, box := &keys{}, &mailbox{down: errors.New("away")}
	key := k.add(apikey.Key{Game: "chess", Settings: apikey.Settings{
		Rate: ratelimit.Rate{PerSecond: 0.1, Burst: 5}, PlayerRate: ratelimit.Rate{PerSecond: 0.1, Burst: 2}, DeadLetters: true,
	}})
	a := guarded(t, newContract(t), k, func(config *ingestion.Config) { config.Letters = box })
	a.store.set(errors.New("away"), 0)
	for range 3 {
		for body, path := range map[string]string{
			of("p1"): single, `{}`: single, batchOf("p1", "p1", "p2"): batch, "[" + of("p1") + ",{}]": batch, "[{}]": batch,
		} {
			got := a.send(t, "POST", path, body, bearer(key))
			if got.status != 503 || got.header.Get("RateLimit") != `"key";r=5;t=1` {
				t.Errorf("%s is answered %d %s with %v", body, got.status, got.body, got.header)
			}
		}
	}
	a.store.set(nil, 0)
	if got := a.send(t, "POST", batch, "["+of("p1")+",{}]", bearer(key)); got.status != 503 || got.header.Get("RateLimit") != `"key";r=5;t=1` {
		t.Errorf("what is stored, beside letters that are not, is answered %d %s with %v", got.status, got.body, got.header)
	}
	box.down = nil
	if got := a.send(t, "POST", batch, batchOf("p1", "p1", "p1", "p2"), bearer(key)); got.status != 207 || got.header.Get("RateLimit") != `"key";r=1;t=40` {
		t.Errorf("then a batch is answered %d %s with %v", got.status, got.body, got.header)
	}
}

// A client that does not wait for the answer pays: its events may be stored.
func TestWhoIsGonePays(t *testing.T) {
	k := &keys{}
	key := k.add(apikey.Key{Settings: apikey.Settings{Rate: ratelimit.Rate{PerSecond: 0.1, Burst: 5}}})
	server, err := ingestion.New(ingestion.Config{Store: &memory{delay: 50 * time.Millisecond}, Keys: k, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(context.WithoutCancel(t.Context()))
	ask(server.Handler(), single, strings.NewReader(noID), key) // after which the key is known
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(gone, http.MethodPost, single, strings.NewReader(noID))
	r.Header.Set("Content-Type", eventapi.JSON)
	r.Header.Set("Authorization", "Bearer "+key)
	server.Handler().ServeHTTP(httptest.NewRecorder(), r)
	if got := ask(server.Handler(), single, strings.NewReader(noID), key); got.Code != 201 || got.Header().Get("RateLimit") != `"key";r=2;t=30` {
		t.Errorf("the next event is answered %d with %v", got.Code, got.Header())
	}
}
