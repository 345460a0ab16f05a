//go:build unix

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/services/relay"
)

// fault is something that happens to the site. It strikes, and has healed when
// strike returns; an error means that what must hold meanwhile did not.
type fault struct {
	name   string
	strike func(ctx context.Context, s *site, random *rand.Rand) error
}

// kills are those that are a kill -9: half of all rounds.
func kills() []fault {
	all := []fault{
		{"api-killed", killAPI},
		{"relay-killed", killRelay},
		{"postgres-killed", killPostgres},
		{"postgres-fails-over", failOver},
		{"kafka-killed", killKafka},
		{"everything-killed", killEverything},
	}
	for broker := range brokers {
		all = append(all, fault{fmt.Sprintf("broker-%d-killed", broker), func(ctx context.Context, s *site, random *rand.Rand) error {
			return killBroker(ctx, s, random, broker)
		}})
	}
	return all
}

// otherFaults are those that this machine can do beside kills.
func (s *site) otherFaults() []fault {
	all := []fault{
		{"api-terminated", terminateAPI},
		{"relay-paused", pauseRelay},
		{"relay-terminated", terminateRelay},
		{"lanes-changed", changeLanes},
		{"postgres-restarted", restartPostgres},
		{"broker-paused", pauseBroker},
		{"connections-exhausted", exhaustConnections},
		{TransactionHeld, holdTransaction},
		{"poison-event", poison},
		{"topic-deleted", deleteTopic},
		{"clients-clocks", skewClocks},
		{"slow-clients", slowClients},
		{"oversized-clients", oversizedClients},
		{"crowd", crowd},
	}
	all = append(all, networkFaults()...)
	if s.shifted != "" {
		all = append(all, fault{clockJumped, jumpClock})
	}
	if s.disk != nil {
		all = append(all, fault{diskFull, fillDisk})
	}
	return all
}

// Small returns the faults of a small run: each kill, and of the others as many that
// have little in common.
func Small() (names []string) {
	for _, f := range kills() {
		names = append(names, f.name)
	}
	return append(names, diskFull, clockJumped, "api-terminated", "relay-paused", "relay-kafka-cut", TransactionHeld,
		"poison-event", "oversized-clients", "crowd")
}

// some returns one of the services, or both.
func some(services []*service, random *rand.Rand) []*service {
	switch n := random.Intn(3); n {
	case 0, 1:
		return services[n : n+1]
	default:
		return services
	}
}

func killAPI(ctx context.Context, s *site, random *rand.Rand) error {
	for _, api := range some(s.apis, random) {
		api.kill()
	}
	sleep(ctx, between(random, 0, 1000))
	return nil
}

func terminateAPI(_ context.Context, s *site, random *rand.Rand) error {
	for _, api := range some(s.apis, random) {
		if err := api.terminate(); err != nil {
			return err
		}
	}
	return nil
}

func killRelay(ctx context.Context, s *site, random *rand.Rand) error {
	for _, relay := range some(s.relays, random) {
		relay.kill()
	}
	sleep(ctx, between(random, 0, 1000))
	return nil
}

func terminateRelay(_ context.Context, s *site, random *rand.Rand) error {
	for _, relay := range some(s.relays, random) {
		if err := relay.terminate(); err != nil {
			return err
		}
	}
	return nil
}

// toTakeOver is how long a relay may take to publish in place of one that says no more: its
// lease, and some time on a machine that has much else to do.
const toTakeOver = relay.DefaultLease + 20*time.Second

// pauseRelay stops the relay that publishes until the other one has taken its place, and
// lets it go on: a zombie, which must be fenced, and stand by.
func pauseRelay(ctx context.Context, s *site, random *rand.Rand) error {
	var active int
	err := await(ctx, "a relay publishes", drain, func() error {
		for i, relay := range s.relays {
			if relay.works(ctx) {
				active = i
				return nil
			}
		}
		return errors.New("none says so")
	})
	if err != nil {
		return err
	}
	paused, other := s.relays[active], s.relays[(active+1)%len(s.relays)]
	resume, err := paused.pause()
	if err != nil {
		return err
	}
	began := time.Now()
	err = await(ctx, other.name+" takes over", toTakeOver, func() error {
		if !other.works(ctx) {
			return errors.New("it does not")
		}
		return nil
	})
	s.ledger.takeOver(time.Since(began))
	sleep(ctx, between(random, 0, 3000))
	if err := errors.Join(err, resume()); err != nil {
		return err
	}
	return await(ctx, paused.name+" stands by", patience, func() error {
		says, err := paused.get(ctx, "/ready", http.StatusOK)
		if err == nil && (!strings.HasPrefix(says, "standby") || !other.works(ctx)) {
			err = fmt.Errorf("it says: %s", says)
		}
		return err
	})
}

// red returns when no replica says any more that it can store events.
func (s *site) red(ctx context.Context) error {
	for _, api := range s.apis {
		err := await(ctx, api.name+" says that it is not ready", patience, func() error {
			_, err := api.get(ctx, "/ready", http.StatusServiceUnavailable)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// green holds the replicas to saying that they are ready, as a cluster asks them, until
// end, which returns how one did not.
func (s *site) green(ctx context.Context) (end func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	failed := make([]error, len(s.apis))
	for i, api := range s.apis {
		group.Go(func() {
			for times := 0; sleep(ctx, 200*time.Millisecond); {
				_, err := api.get(ctx, "/ready", http.StatusOK)
				if times++; err == nil || ctx.Err() != nil {
					times = 0
				}
				if times == probes {
					failed[i] = fmt.Errorf("nothing that it needs is away: %w", err)
					return
				}
			}
		})
	}
	return func() error {
		cancel()
		group.Wait()
		return errors.Join(failed...)
	}
}

// probes are how many must fail, one after the other, until a cluster believes them.
const probes = 3

func killPostgres(ctx context.Context, s *site, random *rand.Rand) error {
	if err := s.postgres.Crash(); err != nil {
		return err
	}
	red := s.red(ctx)
	sleep(ctx, between(random, 0, 3000))
	return errors.Join(red, s.postgres.StartAgain(ctx))
}

func restartPostgres(ctx context.Context, s *site, random *rand.Rand) error {
	if err := s.postgres.Shutdown(ctx); err != nil {
		return err
	}
	red := s.red(ctx)
	sleep(ctx, between(random, 0, 3000))
	return errors.Join(red, s.postgres.StartAgain(ctx))
}

func killBroker(ctx context.Context, s *site, random *rand.Rand, broker int) error {
	green := s.green(ctx)
	s.kafka.Kill(broker)
	sleep(ctx, between(random, 0, 6000))
	return errors.Join(s.kafka.Restart(ctx, broker), green())
}

// pauseBroker stops a broker for longer than the cluster waits for it.
func pauseBroker(ctx context.Context, s *site, random *rand.Rand) error {
	broker := random.Intn(brokers)
	green := s.green(ctx)
	if err := s.kafka.Pause(broker); err != nil {
		return errors.Join(err, green())
	}
	sleep(ctx, between(random, 500, 8000))
	return errors.Join(s.kafka.Resume(broker), green())
}

// killKafka kills all brokers. Events are taken as before.
func killKafka(ctx context.Context, s *site, random *rand.Rand) error {
	green := s.green(ctx)
	for broker := range brokers {
		s.kafka.Kill(broker)
	}
	accepted := s.accepts(ctx)
	sleep(ctx, between(random, 2000, 5000))
	return errors.Join(accepted, green(), s.kafka.Restart(ctx, 0, 1, 2))
}

// accepts returns when events are acknowledged that were not before.
func (s *site) accepts(ctx context.Context) error {
	before := s.ledger.acked()
	return await(ctx, "events are taken", patience, func() error {
		if s.ledger.acked() < before+10 {
			return errors.New("none is")
		}
		return nil
	})
}

// killEverything is a power cut.
func killEverything(ctx context.Context, s *site, random *rand.Rand) error {
	for broker := range brokers {
		s.kafka.Kill(broker)
	}
	if err := s.postgres.Crash(); err != nil {
		return err
	}
	for i := range replicas {
		s.apis[i].kill()
		s.relays[i].kill()
	}
	sleep(ctx, between(random, 0, 1000))
	return errors.Join(s.postgres.StartAgain(ctx), s.kafka.Restart(ctx, 0, 1, 2))
}

const diskFull = "disk-full"

// fillDisk fills PostgreSQL's disk until it refuses events. It may end of it.
func fillDisk(ctx context.Context, s *site, random *rand.Rand) error {
	before := s.ledger.refused(503)
	if err := s.disk.Fill(); err != nil {
		return err
	}
	refused := await(ctx, "events are refused while the disk is full", time.Minute, func() error {
		if s.ledger.refused(503) == before {
			return fmt.Errorf("%d events are acknowledged", s.ledger.acked())
		}
		return s.disk.Fill() // PostgreSQL may have removed a file of its own
	})
	sleep(ctx, between(random, 0, 4000))
	if err := errors.Join(refused, s.disk.Free()); err != nil {
		return err
	}
	if s.postgres.Ended() { // it ends where its log finds no room
		return s.postgres.StartAgain(ctx)
	}
	return nil
}
