//go:build unix

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// wire is one connection to a service. It speaks just enough HTTP/1.1 to send a
// body and read a status: net/http as a client would take as much of the two
// cores as the service that it measures.
type wire struct {
	conn    net.Conn
	answers *bufio.Reader
	request []byte
	body    []byte
}

func dial(ctx context.Context, address string) (*wire, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, answers: bufio.NewReaderSize(conn, 32<<10)}, nil
}

var contentLength = []byte("Content-Length")

// post sends the body and returns the status of the answer, which is read to its end.
func (w *wire) post(path string, body []byte) (status int, err error) {
	w.request = append(append(w.request[:0], "POST "...), path...)
	w.request = append(w.request, " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: "...)
	w.request = append(strconv.AppendInt(w.request, int64(len(body)), 10), "\r\n\r\n"...)
	w.request = append(w.request, body...)
	if _, err := w.conn.Write(w.request); err != nil {
		return 0, err
	}
	length := -1
	for first := true; ; first = false {
		line, err := w.answers.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			const version = "HTTP/1.1 "
			if len(line) < len(version)+3 || string(line[:len(version)]) != version {
				return 0, fmt.Errorf("the answer begins with %q", line)
			}
			if status, err = strconv.Atoi(string(line[len(version) : len(version)+3])); err != nil {
				return 0, fmt.Errorf("the answer begins with %q", line)
			}
		case len(line) == 0:
			if length < 0 { // chunked: a large answer of net/http
				return status, w.chunks()
			}
			_, err := w.answers.Discard(length)
			return status, err
		default:
			if name, value, _ := bytes.Cut(line, []byte(": ")); bytes.EqualFold(name, contentLength) {
				length, _ = strconv.Atoi(string(value))
			}
		}
	}
}

// chunks skips a chunked body.
func (w *wire) chunks() error {
	for {
		line, err := w.answers.ReadString('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
		if err != nil {
			return err
		}
		if _, err := w.answers.Discard(int(size) + 2); err != nil || size == 0 {
			return err
		}
	}
}

// appendEvent appends an event of about 300 bytes that happens now, in JSON.
func appendEvent(b []byte, player int, now time.Time) []byte {
	id := event.NewID(now)
	b = append(b, `{"eventId":"`...)
	b = hex.AppendEncode(b, id[:4])
	for _, part := range [][]byte{id[4:6], id[6:8], id[8:10], id[10:]} {
		b = hex.AppendEncode(append(b, '-'), part)
	}
	b = strconv.AppendInt(append(b, `","playerId":"player-`...), int64(10_000+player%5000), 10)
	b = append(b, `","eventType":"shot_fired","timestamp":"`...)
	b = now.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	b = append(b, `","metadata":`...)
	return append(append(b, metadata...), '}')
}

// metadata brings an event to about 300 bytes.
const metadata = `{"level":17,"score":48211,"weapon":"plasma rifle","map":"harbour","position":{"x":12.25,"y":-3.5,"z":88.125},"party":["a","b","c"]}`

// load is what is sent to a service.
type load struct {
	addresses   []string // connections are spread over them
	connections int
	events      int           // of one request
	path        string        // empty: that of single events where events is 1, else that of batches
	rate        float64       // requests a second, open loop; 0: each connection sends when it is answered
	during      time.Duration // how long requests are begun
	again       *past         // events of it are sent again; nil: new ones
}

// measured is what a load came to.
type measured struct {
	events    int
	took      time.Duration
	latencies []time.Duration // of each request, from when it was due; sorted
	cost      time.Duration   // CPU of services and PostgreSQL for an event
	generator float64         // part of the CPU that the load itself took, of its and theirs
}

func (m measured) perSecond() float64 { return float64(m.events) / m.took.Seconds() }

// at returns the quantile of the latencies.
func (m measured) at(quantile float64) time.Duration {
	if len(m.latencies) == 0 {
		return 0
	}
	return m.latencies[min(int(quantile*float64(len(m.latencies))), len(m.latencies)-1)]
}

// run sends the load. An answer that is not a success is an error.
func (l load) run(ctx context.Context) (measured, error) {
	var mu sync.Mutex
	var sum measured
	var failed error
	var senders sync.WaitGroup
	began := time.Now()
	for n := range l.connections {
		senders.Go(func() {
			mine, err := l.send(ctx, n, began)
			mu.Lock()
			defer mu.Unlock()
			sum.events += len(mine) * l.events
			sum.latencies = append(sum.latencies, mine...)
			failed = errors.Join(failed, err)
		})
	}
	senders.Wait()
	sum.took = time.Since(began)
	slices.Sort(sum.latencies)
	return sum, failed
}

// send is one connection.
func (l load) send(ctx context.Context, n int, began time.Time) (latencies []time.Duration, err error) {
	w, err := dial(ctx, l.addresses[n%len(l.addresses)])
	if err != nil {
		return nil, err
	}
	defer w.conn.Close()
	every := time.Duration(0)
	if l.rate > 0 {
		every = time.Duration(float64(l.connections) / l.rate * float64(time.Second))
	}
	due := began.Add(every * time.Duration(n) / time.Duration(l.connections))
	for i := 0; ctx.Err() == nil; i++ {
		if l.rate > 0 {
			time.Sleep(time.Until(due))
		} else {
			due = time.Now()
		}
		if due.Sub(began) >= l.during {
			return latencies, nil
		}
		path := l.fill(w, n*7919+i)
		status, err := w.post(path, w.body)
		if err != nil {
			return latencies, err
		}
		if status != 200 && status != 201 {
			return latencies, fmt.Errorf("%s was answered %d", path, status)
		}
		latencies = append(latencies, time.Since(due))
		due = due.Add(every)
	}
	return latencies, ctx.Err()
}

// fill writes the next body, and returns where it is sent.
func (l load) fill(w *wire, player int) (path string) {
	now := time.Now()
	if l.events == 1 {
		w.body = l.appendEvent(w.body[:0], player, now)
		return cmp.Or(l.path, eventapi.EventsPath)
	}
	w.body = append(w.body[:0], '[')
	for i := range l.events {
		if i > 0 {
			w.body = append(w.body, ',')
		}
		w.body = l.appendEvent(w.body, player+i, now)
	}
	w.body = append(w.body, ']')
	return cmp.Or(l.path, eventapi.BatchPath)
}

func (l load) appendEvent(b []byte, player int, now time.Time) []byte {
	if l.again != nil {
		return l.again.appendEvent(b, l.again.any(player))
	}
	return appendEvent(b, player, now)
}

// scrape returns the sum of a metric over its labels, or, where it is named with
// them, that one; 0 where there is none yet.
func scrape(ctx context.Context, address, metric string) (float64, error) {
	w, err := dial(ctx, address)
	if err != nil {
		return 0, err
	}
	defer w.conn.Close()
	if _, err := io.WriteString(w.conn, "GET /metrics HTTP/1.0\r\n\r\n"); err != nil {
		return 0, err
	}
	text, err := io.ReadAll(w.answers)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if bare, _, _ := strings.Cut(name, "{"); bare != metric && name != metric {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		sum += number
	}
	return sum, nil
}
