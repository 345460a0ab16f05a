//go:build unix

package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// patience is how long an answer may take, on a machine that has much else to do.
// The service's own deadline is far shorter.
const patience = 20 * time.Second

// toRefuse is how long a refusal may take: the deadline, and as long again twice on a
// machine that has much else to do.
const toRefuse = 3 * deadline

// load is players that send events one after the other or in batches, each again
// and again to either replica until it is acknowledged. Some also send again what
// was acknowledged.
type load struct {
	ledger  *ledger
	apis    []*service
	senders int
	http    *http.Client
	clock   atomic.Int64 // nanoseconds by which the clocks of the clients are wrong

	cancel context.CancelFunc
	group  sync.WaitGroup
	gate   sync.RWMutex // held for reading by who sends, for writing by who wants silence
	closed bool         // the gate is held for writing; used by the rounds' goroutine alone
}

func newLoad(l *ledger, apis []*service, senders int) *load {
	transport := &http.Transport{MaxIdleConnsPerHost: senders, IdleConnTimeout: 10 * time.Second}
	return &load{
		ledger: l, apis: apis, senders: senders, cancel: func() {},
		http: &http.Client{Timeout: patience, Transport: transport},
	}
}

func (l *load) start(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	for k := range l.senders {
		batch := 1 // every third player sends batches
		if k%3 == 0 {
			batch = 2 + 4*k
		}
		l.group.Go(func() { l.play(ctx, fmt.Sprintf("player-%d", k), batch) })
	}
}

// stop ends the senders.
func (l *load) stop() {
	l.cancel()
	l.resume()
	l.group.Wait()
	l.http.CloseIdleConnections()
}

// recovery is how long the platform may take, after what ailed it has gone, until
// everything that waits is acknowledged.
const recovery = 90 * time.Second

// pause returns when every sender has got its event acknowledged and waits.
func (l *load) pause(ctx context.Context) error {
	got, left := make(chan struct{}), make(chan struct{})
	defer close(left)
	go func() {
		l.gate.Lock()
		select {
		case got <- struct{}{}:
		case <-left:
			l.gate.Unlock()
		}
	}()
	select {
	case <-got:
		l.closed = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(recovery):
		return fmt.Errorf("events are not taken %s after the fault has gone", recovery)
	}
}

// resume undoes pause.
func (l *load) resume() {
	if l.closed {
		l.closed = false
		l.gate.Unlock()
	}
}

// play sends the player's events in order: n = 1, 2, 3, …
func (l *load) play(ctx context.Context, player string, batch int) {
	offences := 0
	for n := 1; ctx.Err() == nil; {
		l.gate.RLock()
		ids := make([]uuid.UUID, 1+rand.IntN(batch))
		events := make([]string, len(ids))
		for i := range ids {
			ids[i], events[i] = l.event(player, n)
			n++
		}
		for again := true; again; {
			again = !l.send(ctx, ids, events) && sleep(ctx, 50*time.Millisecond)
		}
		if rand.IntN(20) == 0 {
			l.send(ctx, ids, events)
		}
		if rand.IntN(4) == 0 {
			offences++
			l.offend(ctx, player, offences)
		}
		l.gate.RUnlock()
		sleep(ctx, time.Duration(30+rand.IntN(70))*time.Millisecond)
	}
}

// event makes an event and notes it.
func (l *load) event(player string, n int) (uuid.UUID, string) {
	id := uuid.New()
	at := time.Now().Add(time.Duration(l.clock.Load())).UTC()
	metadata := fmt.Sprintf(`{"n":%d,"pad":%q}`, n, strings.Repeat("x", 120))
	l.ledger.send(id, player, n, contentOf(player, "chaos", at, []byte(metadata)))
	return id, fmt.Sprintf(`{"eventId":%q,"playerId":%q,"eventType":"chaos","timestamp":%q,"metadata":%s}`,
		id, player, at.Format(time.RFC3339Nano), metadata)
}

// send posts the events, one alone or several as a batch, and reports whether they
// were acknowledged.
func (l *load) send(ctx context.Context, ids []uuid.UUID, events []string) bool {
	path, media, body := eventapi.EventsPath, eventapi.JSON, events[0]
	if len(events) > 1 {
		path, media, body = eventapi.BatchPath, eventapi.NDJSON, strings.Join(events, "\n")
	}
	api, answer := l.ask(ctx, path, media, body)
	switch {
	case answer == nil:
		return false
	case answer.status/100 != 2:
		l.judge(api, answer)
		return false
	}
	if err := answer.acknowledges(ids); err != nil {
		l.ledger.violate("%s: %v: %s", api.name, err, answer.body)
		return false
	}
	l.ledger.ack(ids...)
	return true
}

// ask posts to one of the services, and returns its answer, nil where there is none: that
// is noted, unless ctx has ended.
func (l *load) ask(ctx context.Context, path, media, body string) (*service, *answer) {
	api, began := l.apis[rand.IntN(len(l.apis))], time.Now()
	pid, _ := api.age()
	got, err := l.post(ctx, api, path, media, body)
	switch {
	case ctx.Err() != nil:
		return api, nil
	case err != nil:
		l.lost(api, pid, began, err)
		return api, nil
	}
	return api, got
}

// answer is what a service said.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
}

func (l *load) post(ctx context.Context, api *service, path, media, body string) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+api.front.Address()+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", media)
	began := time.Now()
	response, err := l.http.Do(request)
	if err != nil {
		return nil, err
	}
	return read(response, began)
}

// read reads the answer to a request that was sent at the given time.
func read(response *http.Response, began time.Time) (*answer, error) {
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return &answer{response.StatusCode, response.Header, bytes.TrimSpace(content), time.Since(began)}, err
}

// acknowledges returns an error unless the answer is a success for each event.
func (a *answer) acknowledges(ids []uuid.UUID) error {
	if len(ids) == 1 {
		var one eventapi.Accepted
		if err := json.Unmarshal(a.body, &one); err != nil || one.EventID != ids[0].String() {
			return fmt.Errorf("the answer %d is not about the event %s", a.status, ids[0])
		}
		return nil
	}
	var all eventapi.BatchAnswer
	if err := json.Unmarshal(a.body, &all); err != nil || len(all.Results) != len(ids) {
		return fmt.Errorf("the answer %d is not about %d events", a.status, len(ids))
	}
	for i, result := range all.Results {
		if result.Status == eventapi.Rejected || result.EventID != ids[i].String() {
			return fmt.Errorf("the answer %d rejects event %s, which is valid", a.status, ids[i])
		}
	}
	return nil
}

// lost notes a request to the process pid that began then and got no answer. A process
// that is killed leaves none, and its kernel says so at once; who waits in vain was
// forgotten by one that lives, and one that lives ends no connection over which nothing
// was lost.
func (l *load) lost(api *service, pid int, began time.Time, err error) {
	const settled = 2 * time.Second // a link's clients have seen by then what was closed
	var timeout interface{ Timeout() bool }
	after, age := api.age()
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		l.ledger.violate("%s gave no answer within %s: %v", api.name, patience, err)
	case pid != 0 && pid == after && age > toStart && api.front.Quiet() > time.Since(began)+settled:
		l.ledger.violate("%s lives and did not answer: %v", api.name, err)
	default:
		l.ledger.unanswered()
	}
}

// judge holds a refusal of valid events to the contract: it may be only for now, comes
// in time, and says when to come again and why.
func (l *load) judge(api *service, a *answer) {
	code, err := a.reason()
	switch {
	case err != nil:
		l.ledger.violate("%s: %v", api.name, err)
	case a.status != http.StatusServiceUnavailable && a.status != http.StatusTooManyRequests:
		l.ledger.violate("%s answered a valid request with %d: %s", api.name, a.status, a.body)
	case a.header.Get("Retry-After") == "":
		l.ledger.violate("%s answered %d without Retry-After: %s", api.name, a.status, a.body)
	case a.took > toRefuse:
		l.ledger.violate("%s answered %d after %s, its deadline is %s", api.name, a.status, a.took, deadline)
	default:
		l.ledger.refuse(a.status, code, a.took)
	}
}

// reason returns the code of a refusal.
func (a *answer) reason() (string, error) {
	var failure eventapi.Failure
	if err := json.Unmarshal(a.body, &failure); err != nil || failure.Error.Code == "" || failure.Error.Message == "" {
		return "", fmt.Errorf("a refusal with %d gives no reason: %.300s", a.status, a.body)
	}
	return string(failure.Error.Code), nil
}
