//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// load is players that send events one after the other, each again and again
// until it is acknowledged.
type load struct {
	site    *site
	http    *http.Client
	address atomic.Pointer[string]
	cancel  context.CancelFunc
	senders sync.WaitGroup

	mu    sync.Mutex
	acked map[uuid.UUID]bool
	tries atomic.Int64
}

func (s *site) startLoad(ctx context.Context) (*load, error) {
	l := &load{site: s, http: &http.Client{Timeout: 2 * time.Second}, acked: map[uuid.UUID]bool{}}
	if err := l.locate(); err != nil {
		return nil, err
	}
	ctx, l.cancel = context.WithCancel(ctx)
	for n := range s.senders {
		player := fmt.Sprintf("chaos-%d", n)
		l.senders.Go(func() { l.play(ctx, player) })
	}
	return l, nil
}

// stop ends the senders and waits for them, and for the server to finish the
// requests that they left unanswered.
func (l *load) stop() {
	const unanswered = time.Second
	l.cancel()
	l.senders.Wait()
	time.Sleep(unanswered)
}

func (l *load) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// locate reads where ingestion listens now.
func (l *load) locate() error {
	var record struct {
		Ports map[string]int `json:"ports"`
	}
	if err := l.site.state("supervisor.json", &record); err != nil {
		return err
	}
	address := fmt.Sprintf("http://127.0.0.1:%d/api/v1/events", record.Ports["ingestion"])
	l.address.Store(&address)
	return nil
}

// play sends the player's events in order: n = 1, 2, 3, …
func (l *load) play(ctx context.Context, player string) {
	for n := 1; ctx.Err() == nil; n++ {
		id := uuid.New()
		body := fmt.Sprintf(`{"eventId":%q,"playerId":%q,"eventType":"chaos","timestamp":%q,"metadata":{"n":%d}}`,
			id, player, time.Now().UTC().Format(time.RFC3339Nano), n)
		for !l.send(ctx, body) {
			if !sleep(ctx, 20*time.Millisecond) {
				return
			}
			_ = l.locate() // the supervisor may be writing it; the next try reads it again
		}
		l.mu.Lock()
		l.acked[id] = true
		l.mu.Unlock()
	}
}

// send reports whether the event was acknowledged.
func (l *load) send(ctx context.Context, body string) bool {
	l.tries.Add(1)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, *l.address.Load(), strings.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.http.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode/100 == 2
}
