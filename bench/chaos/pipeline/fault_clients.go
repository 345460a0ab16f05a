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
	"syscall"
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
		s.ledger.offend(id, player, 1)
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
	if status == http.StatusRequestEntityTooLarge && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
		return nil // the service may end the connection before it has read all
	}
	if err != nil {
		return err
	}
	if _, err := got.reason(); got.status != status || err != nil || !bytes.Contains(got.body, []byte(reason)) {
		return fmt.Errorf("%.80s… is answered %d: %s, want %d and %q", body, got.status, got.body, status, reason)
	}
	return nil
}

// oversizedClients send too much of everything.
func oversizedClients(ctx context.Context, s *site, _ *rand.Rand) error {
	_, event := s.load.event("too big", 1)
	big := strings.Repeat("x", 20<<20)
	var errs []error
	for _, test := range []struct {
		path, body, reason string
		status             int
	}{
		{eventapi.EventsPath, `{"playerId":"` + big, "body-too-large", http.StatusRequestEntityTooLarge},
		{eventapi.BatchPath, "[" + strings.Repeat(event+",", 2000) + event + "]", "", http.StatusRequestEntityTooLarge},
		{eventapi.BatchPath, "[" + strings.Repeat("{},", 1000) + "{}]", "too-many-events", http.StatusRequestEntityTooLarge},
	} {
		errs = append(errs, s.refuses(ctx, test.path, test.body, test.status, test.reason))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.apis[0].address+eventapi.EventsPath, strings.NewReader(event))
	if err != nil {
		return err
	}
	request.Header.Set("X-Big", big[:1<<20])
	response, err := s.load.http.Do(request)
	if err == nil { // the service may end the connection before it has read all
		response.Body.Close()
		if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			errs = append(errs, fmt.Errorf("a header of 1 MiB is answered %d", response.StatusCode))
		}
	}
	return errors.Join(append(errs, s.accepts(ctx))...)
}

// slowClients hold connections, some with a header and some with a body that never
// ends. The service ends them; the others are served meanwhile.
func slowClients(ctx context.Context, s *site, _ *rand.Rand) error {
	const each, mostTime = 100, 60 * time.Second
	header := "POST " + eventapi.EventsPath + " HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\n"
	var group sync.WaitGroup
	failures := make(chan error, 2*each)
	for i := range 2 * each {
		begin, want := header, ""
		if i%2 == 0 {
			begin, want = header+"Content-Length: 1000\r\n\r\n{", "408"
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
// that it keeps. Each is answered, before and after all are there.
func crowd(ctx context.Context, s *site, _ *rand.Rand) error {
	var group, connected sync.WaitGroup
	connected.Add(s.Crowd)
	failures := make(chan error, s.Crowd)
	for i := range s.Crowd {
		group.Go(func() { failures <- s.member(ctx, s.apis[i%replicas], &connected) })
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
	return s.accepts(ctx)
}

// crowdPatience is how long one of many waits: they share a machine with what serves
// them.
const crowdPatience = 60 * time.Second

// member sends an event, waits for all others to have done so, and sends another one.
func (s *site) member(ctx context.Context, api *service, connected *sync.WaitGroup) error {
	player := "crowd " + uuid.NewString()
	conn, err := (&net.Dialer{Timeout: crowdPatience}).DialContext(ctx, "tcp", api.address)
	if err == nil {
		defer conn.Close()
		err = s.sendOver(ctx, conn, api, player, 1)
	}
	connected.Done()
	if err != nil {
		return err
	}
	connected.Wait()
	return s.sendOver(ctx, conn, api, player, 2)
}

func (s *site) sendOver(ctx context.Context, conn net.Conn, api *service, player string, n int) error {
	id, event := s.load.event(player, n)
	if err := conn.SetDeadline(time.Now().Add(crowdPatience)); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+api.address+eventapi.EventsPath, strings.NewReader(event))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", eventapi.JSON)
	if err := request.Write(conn); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	got := &answer{response.StatusCode, response.Header, content}
	if got.status != http.StatusCreated {
		s.load.judge(api, got)
		return nil
	}
	if err := got.acknowledges([]uuid.UUID{id}); err != nil {
		return err
	}
	s.ledger.ack(id)
	return nil
}
