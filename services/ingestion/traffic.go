package ingestion

import (
	_ "embed"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// The list is our own, and short: it names those who call themselves crawlers.
// The long ones that are maintained elsewhere hold HTTP libraries (Go, curl,
// Python) for bots, and these are what game servers send with.
//
//go:embed crawlers.txt
var crawlerList string

// traffic tells who causes a request's events, where neither the request nor its
// key says so.
type traffic struct {
	self     []netip.Prefix // the studio's networks
	proxies  []netip.Prefix // whose word on where a request comes from is taken
	crawlers []string       // parts of User-Agent, in lower case

	known sync.Map // User-Agent to whether it is a crawler's; not all of very many
	count atomic.Int32
}

func newTraffic(self, proxies []netip.Prefix) *traffic {
	t := &traffic{self: self, proxies: proxies}
	for line := range strings.Lines(crawlerList) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			t.crawlers = append(t.crawlers, line)
		}
	}
	return t
}

// of tells by the address and the User-Agent.
func (t *traffic) of(client netip.Addr, agent string) event.Traffic {
	switch {
	case contains(t.self, client):
		return event.TrafficSelf
	case t.isCrawler(agent):
		return event.TrafficBot
	}
	return event.TrafficPlayer
}

// client is the address that the request comes from: the last one in
// X-Forwarded-For that is no proxy of ours.
func (t *traffic) client(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	at, err := netip.ParseAddr(host)
	if err != nil || !contains(t.proxies, at) {
		return at.Unmap()
	}
	forwarded := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, text := range slices.Backward(forwarded) {
		next, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			break
		}
		if at = next; !contains(t.proxies, at) {
			break
		}
	}
	return at.Unmap()
}

func contains(networks []netip.Prefix, at netip.Addr) bool {
	for _, network := range networks {
		if network.Contains(at.Unmap()) {
			return true
		}
	}
	return false
}

// isCrawler looks the User-Agent up; most of them come again and again.
func (t *traffic) isCrawler(agent string) bool {
	const most = 4096 // remembered
	if agent == "" {
		return false
	}
	if known, ok := t.known.Load(agent); ok {
		return known.(bool)
	}
	is, lower := false, strings.ToLower(agent)
	for _, part := range t.crawlers {
		if strings.Contains(lower, part) {
			is = true
			break
		}
	}
	if len(agent) <= 512 && t.count.Load() < most {
		if _, known := t.known.LoadOrStore(strings.Clone(agent), is); !known {
			t.count.Add(1)
		}
	}
	return is
}
