//go:build unix

package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// skewClocks lets the clocks of the clients jump, within what is accepted, so that
// events fall on days that have no partition yet; and beyond it, where an event is
// refused and says why.
func skewClocks(ctx context.Context, s *site, random *rand.Rand) error {
	const hour = int64(time.Hour)
	defer s.load.clock.Store(0)
	for _, beyond := range []struct {
		skew   time.Duration
		reason string
	}{{-31 * 24 * time.Hour, "too-old"}, {25 * time.Hour, "too-far-ahead"}} {
		s.load.clock.Store(random.Int63n(52*hour) - 29*hour)
		at := time.Now().Add(beyond.skew).UTC().Format(time.RFC3339)
		id := uuid.New()
		player := "from another time " + id.String()
		body := fmt.Sprintf(`{"eventId":%q,"playerId":%q,"eventType":"chaos","timestamp":%q,"metadata":{"n":1}}`, id, player, at)
		s.ledger.offend(id, player, 1, letterOf([]byte(body)))
		if err := s.refuses(ctx, eventapi.EventsPath, body, http.StatusBadRequest, beyond.reason); err != nil {
			return err
		}
		s.ledger.reject(id)
		sleep(ctx, between(random, 100, 1000))
	}
	s.load.clock.Store(-random.Int63n(29 * 24 * hour))
	return s.accepts(ctx)
}

// refuses returns an error unless the body is refused with the status, and the
// answer holds the reason.
func (s *site) refuses(ctx context.Context, path, body string, status int, reason string) error {
	got, err := s.load.post(ctx, s.apis[0], path, eventapi.JSON, body)
	if err != nil {
		return err
	}
	return got.refuses(body, status, reason)
}

func (a *answer) refuses(body string, status int, reason string) error {
	if _, err := a.reason(); a.status != status || err != nil || !bytes.Contains(a.body, []byte(reason)) {
		return fmt.Errorf("%.80s… is answered %d: %s, want %d and %q", body, a.status, a.body, status, reason)
	}
	return nil
}

// oversizedClients send too much of everything, and are told so.
func oversizedClients(ctx context.Context, s *site, _ *rand.Rand) error {
	_, event := s.load.event("too big", 1)
	big := strings.Repeat("x", 20<<20)
	var errs []error
	for _, test := range []struct{ path, body, reason string }{
		{eventapi.EventsPath, `{"playerId":"` + big, "body-too-large"},
		{eventapi.BatchPath, "[" + strings.Repeat(event+",", 2000) + event + "]", ""},
		{eventapi.BatchPath, "[" + strings.Repeat("{},", 1000) + "{}]", "too-many-events"},
	} {
		got, err := s.over(ctx, test.path, test.body, "")
		if err == nil {
			err = got.refuses(test.body, http.StatusRequestEntityTooLarge, test.reason)
		}
		errs = append(errs, err)
	}
	for _, header := range []string{big[:64<<10], big[:1<<20]} {
		got, err := s.over(ctx, eventapi.EventsPath, event, header)
		if err == nil && got.status != http.StatusRequestHeaderFieldsTooLarge {
			err = fmt.Errorf("a header of %d bytes is answered %d: %s", len(header), got.status, got.body)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, s.accepts(ctx))...)
}

// over posts the body, with a header X-Big, over a connection of its own.
func (s *site) over(ctx context.Context, path, body, header string) (*answer, error) {
	api := s.apis[0]
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", api.address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+api.address+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", eventapi.JSON)
	request.Header.Set("X-Big", header)
	return exchange(conn, request, patience)
}

// exchange sends a request and reads the answer, which may come, and the connection end,
// before all is sent.
func exchange(conn net.Conn, request *http.Request, within time.Duration) (*answer, error) {
	began := time.Now()
	if err := conn.SetDeadline(began.Add(within)); err != nil {
		return nil, err
	}
	sent := make(chan error, 1)
	go func() { sent <- request.Write(conn) }()
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		_ = conn.Close()
		return nil, errors.Join(err, <-sent)
	}
	return read(response, began)
}

// slowClients hold connections, some with a header and some with a body that never
// ends. The service ends them, after 5 and 20 seconds; the others are served meanwhile.
func slowClients(ctx context.Context, s *site, _ *rand.Rand) error {
	const each, margin = 100, 10 * time.Second
	header := "POST " + eventapi.EventsPath + " HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\n"
	var group sync.WaitGroup
	failures := make(chan error, 2*each)
	for i := range 2 * each {
		begin, want, mostTime := header, "", 5*time.Second+margin
		if i%2 == 0 {
			begin, want, mostTime = header+"Content-Length: 1000\r\n\r\n{", "408", 20*time.Second+margin
		}
		group.Go(func() {
			if err := drip(ctx, s.apis[i/2%replicas].address, begin, want, mostTime); err != nil {
				failures <- err
			}
		})
	}
	accepted := s.accepts(ctx)
	group.Wait()
	close(failures)
	return errors.Join(accepted, <-failures)
}

// drip sends the beginning and then a byte now and then, until the server ends the
// connection. It has answered with the status then, unless none is wanted.
func drip(ctx context.Context, address, begin, status string, mostTime time.Duration) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(mostTime)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(begin)); err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case <-ended:
				return
			case <-time.After(time.Second):
				_, _ = conn.Write([]byte("x")) // that it fails, the reader learns
			}
		}
	}()
	answer, err := io.ReadAll(conn)
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("a slow client still holds its connection after %s", mostTime)
	case !bytes.Contains(answer, []byte(status)):
		return fmt.Errorf("a slow client is answered %q, %w", answer, err)
	}
	return nil
}

// crowd is very many clients at the same time, each with a connection of its own
// that it keeps. Each is answered, before and after all are there, and most events are
// taken.
func crowd(ctx context.Context, s *site, _ *rand.Rand) error {
	var group, connected sync.WaitGroup
	var stored atomic.Int64
	connected.Add(s.Crowd)
	failures := make(chan error, s.Crowd)
	for i := range s.Crowd {
		group.Go(func() { failures <- s.member(ctx, s.apis[i%replicas], &connected, &stored) })
	}
	group.Wait()
	close(failures)
	failed := 0
	var example error
	for err := range failures {
		if err != nil {
			failed, example = failed+1, err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d clients had no answer: %w", failed, s.Crowd, example)
	}
	if n := int(stored.Load()); n < 2*s.Crowd*9/10 {
		return fmt.Errorf("of %d events of a crowd %d were taken", 2*s.Crowd, n)
	}
	return s.accepts(ctx)
}

// crowdPatience is how long one of many waits: they share a machine with what serves
// them.
const crowdPatience = 60 * time.Second

// member sends an event, waits for all others to have done so, and sends another one. It
// counts those that are stored.
func (s *site) member(ctx context.Context, api *service, connected *sync.WaitGroup, stored *atomic.Int64) error {
	player := "crowd " + uuid.NewString()
	conn, err := (&net.Dialer{Timeout: crowdPatience}).DialContext(ctx, "tcp", api.address)
	if err == nil {
		defer conn.Close()
		err = s.sendOver(ctx, conn, api, player, 1, stored)
	}
	connected.Done()
	if err != nil {
		return err
	}
	connected.Wait()
	return s.sendOver(ctx, conn, api, player, 2, stored)
}

func (s *site) sendOver(ctx context.Context, conn net.Conn, api *service, player string, n int, stored *atomic.Int64) error {
	id, event := s.load.event(player, n)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+api.address+eventapi.EventsPath, strings.NewReader(event))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", eventapi.JSON)
	got, err := exchange(conn, request, crowdPatience)
	if err != nil {
		return err
	}
	if got.status != http.StatusCreated {
		s.load.judge(api, got)
		return nil
	}
	if err := got.acknowledges([]uuid.UUID{id}); err != nil {
		return err
	}
	s.ledger.ack(id)
	stored.Add(1)
	return nil
}
