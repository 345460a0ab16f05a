//go:build unix

package pipeline

import (
	"context"
	"errors"
	"math/rand"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv/network"
)

// networkFaults are those of each kind on each link: of one replica or of all, of
// one broker or of all.
func networkFaults() []fault {
	links := map[string]func(*site) []*network.Link{
		"client-api":     func(s *site) []*network.Link { return s.clientLinks },
		"kafka-kafka":    func(s *site) []*network.Link { return s.betweenLinks },
		"kafka-quorum":   func(s *site) []*network.Link { return s.quorumLinks },
		"api-postgres":   func(s *site) []*network.Link { return s.apiLinks },
		"relay-postgres": func(s *site) []*network.Link { return s.relayLinks },
		"relay-kafka":    func(s *site) []*network.Link { return s.brokerLinks },
	}
	kinds := []struct {
		name    string
		disturb func(*network.Link, *rand.Rand) error
	}{
		{"cut", func(l *network.Link, _ *rand.Rand) error { return l.Cut() }},
		{"half-open", func(l *network.Link, _ *rand.Rand) error { return l.HalfOpen() }},
		{"loses-answers", func(l *network.Link, _ *rand.Rand) error { return l.LoseAnswers() }},
		{"slow", func(l *network.Link, random *rand.Rand) error {
			return l.Slow(time.Duration(20+random.Intn(400))*time.Millisecond, 20+random.Intn(400))
		}},
	}
	var faults []fault
	for _, between := range []string{"client-api", "api-postgres", "relay-postgres", "relay-kafka", "kafka-kafka", "kafka-quorum"} {
		for _, kind := range kinds {
			faults = append(faults, fault{between + "-" + kind.name, func(ctx context.Context, s *site, random *rand.Rand) error {
				if between == "api-postgres" {
					return disturb(ctx, links[between](s), random, kind.disturb)
				}
				green := s.green(ctx)
				return errors.Join(disturb(ctx, links[between](s), random, kind.disturb), green())
			}})
		}
	}
	return faults
}

func disturb(ctx context.Context, links []*network.Link, random *rand.Rand, how func(*network.Link, *rand.Rand) error) error {
	if random.Intn(2) == 0 {
		one := random.Intn(len(links))
		links = links[one : one+1]
	}
	for _, link := range links {
		if err := how(link, random); err != nil {
			return err
		}
	}
	sleep(ctx, between(random, 200, 8000))
	var errs []error
	for _, link := range links {
		errs = append(errs, link.Heal(ctx))
	}
	return errors.Join(errs...)
}
