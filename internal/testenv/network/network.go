// Package network puts a link between a client and a server of the testbed that
// can be cut, slowed down and left half open, as networks do it. It is toxiproxy,
// used as a library.
package network

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Link is the way of every TCP connection to one server. Its methods may not be
// called concurrently, but for Quiet.
type Link struct {
	proxy *toxiproxy.Proxy

	mu      sync.Mutex
	ill     bool
	changed time.Time
}

// New opens a link from the address listen to the address server, which need not
// be there yet. Both are host:port.
func New(listen, server string) (*Link, error) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics have loggers of their own
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(api, server, listen, server)
	if err := proxy.Start(); err != nil {
		return nil, fmt.Errorf("link to %s: %w", server, err)
	}
	return &Link{proxy: proxy}, nil
}

// Address is where clients connect to.
func (l *Link) Address() string { return l.proxy.Listen }

// Cut ends all connections and refuses new ones.
func (l *Link) Cut() error {
	l.set(true)
	l.proxy.Stop()
	return nil
}

// Slow delays what goes either way, and lets through no more than the given
// kilobytes in a second.
func (l *Link) Slow(delay time.Duration, kilobytes int) error {
	l.set(true)
	for _, way := range []string{"upstream", "downstream"} {
		ms := delay.Milliseconds() / 2
		if err := l.add(`{"type":"latency","stream":%q,"attributes":{"latency":%d,"jitter":%d}}`, way, ms, ms/2); err != nil {
			return err
		}
		if err := l.add(`{"type":"bandwidth","stream":%q,"attributes":{"rate":%d}}`, way, kilobytes); err != nil {
			return err
		}
	}
	return nil
}

// HalfOpen keeps connections and takes new ones, and loses what is sent over them.
func (l *Link) HalfOpen() error {
	l.set(true)
	if err := l.add(`{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`); err != nil {
		return err
	}
	return l.LoseAnswers()
}

// LoseAnswers lets requests through, and loses what the server says.
func (l *Link) LoseAnswers() error {
	l.set(true)
	return l.add(`{"type":"timeout","stream":"downstream","attributes":{"timeout":0}}`)
}

func (l *Link) add(toxic string, args ...any) error {
	_, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(toxic, args...)))
	return err
}

// Heal undoes whatever was done to the link. Connections over which something was
// lost are closed.
func (l *Link) Heal(ctx context.Context) error {
	defer l.set(false)
	l.proxy.Toxics.ResetToxics(ctx)
	l.proxy.Lock()
	cut := !l.proxy.Enabled
	l.proxy.Unlock()
	if cut {
		return l.proxy.Start()
	}
	return nil
}

func (l *Link) set(ill bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ill, l.changed = ill, time.Now()
}

// Quiet is for how long nothing has been done to the link; 0 while something is.
func (l *Link) Quiet() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ill {
		return 0
	}
	return time.Since(l.changed)
}

// Lead ends all connections and leads new ones to another server.
func (l *Link) Lead(server string) error {
	return l.proxy.Update(&toxiproxy.Proxy{Listen: l.proxy.Listen, Upstream: server, Enabled: true})
}

// Close ends the link for good.
func (l *Link) Close() { l.proxy.Stop() }
