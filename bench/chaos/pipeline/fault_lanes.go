//go:build unix

package pipeline

import (
	"context"
	"math/rand"

	"github.com/gamemetrics/gmctl/internal/postgres"
)

// changeLanes changes among how many lanes the relays share the events, several times
// and faster than they may follow, while relays are killed; in the end there is one.
func changeLanes(ctx context.Context, s *site, random *rand.Rand) error {
	source, err := postgres.NewSource(ctx, postgres.Config{DSN: s.dsn, MaxConns: 1})
	if err != nil {
		return err
	}
	defer source.Close()
	for range 1 + random.Intn(4) {
		if _, err := source.SetLanes(ctx, 1+random.Intn(16)); err != nil {
			return err
		}
		sleep(ctx, between(random, 0, 4000))
		if random.Intn(2) == 0 {
			s.relays[random.Intn(len(s.relays))].kill()
		}
	}
	_, err = source.SetLanes(ctx, 1)
	return err
}
