// Package simulate models a population of players: they arrive, come back for
// sessions more in the evening than at night, play levels of rising difficulty,
// win achievements, meet friends, buy (most nothing, a few a lot), lose
// interest, and sometimes return.
//
// A Population yields what its players do, one event after the other, on a
// clock of its own. It is a pure function of its Config: no wall clock, no
// global randomness. Who sends the events, how fast, and under which ids and
// timestamps is up to the caller (see package drive).
package simulate

import (
	"container/heap"
	"encoding/json"
	"math"
	"math/rand/v2"
	"time"
)

// Config decides everything a population will ever do.
type Config struct {
	Players int       // how many have the game at any time; at least 1
	Seed    uint64    // another seed, other players with other fates
	Start   time.Time // the first moment of the population's clock; also decides the hour of day it starts in
}

// Event is something a player did.
type Event struct {
	At       time.Time // on the population's clock; never before that of the event before
	PlayerID string
	Type     string          // one of the Types
	Metadata json.RawMessage // a compact JSON object
}

// The types of events that players cause.
const (
	PlayerRegistered    = "player_registered"
	SessionStart        = "session_start"
	SessionEnd          = "session_end"
	LevelStart          = "level_start"
	LevelComplete       = "level_complete"
	LevelFail           = "level_fail"
	Purchase            = "purchase"
	AchievementUnlocked = "achievement_unlocked"
	FriendInvited       = "friend_invited"
	GiftSent            = "gift_sent"
	AdWatched           = "ad_watched"
)

// Types lists the types of events that players cause.
func Types() []string {
	return []string{
		PlayerRegistered, SessionStart, SessionEnd, LevelStart, LevelComplete, LevelFail,
		Purchase, AchievementUnlocked, FriendInvited, GiftSent, AdWatched,
	}
}

// Population is a running population. It is not safe for concurrent use.
type Population struct {
	start   time.Time
	random  *rand.Rand
	waiting agenda // each player once, by when they act next
	joined  int    // how many players there have ever been
}

// New returns the population that cfg describes, before its first event.
func New(cfg Config) *Population {
	p := &Population{
		start:  cfg.Start,
		random: rand.New(rand.NewPCG(cfg.Seed, 0x6d65747269637321)),
	}
	for slot := range max(cfg.Players, 1) {
		player := &player{slot: slot}
		p.join(player)
		// One in ten is yet to arrive; the others have played for a while.
		if p.chance(0.1) {
			player.step, player.at = registering, p.upTo(24*time.Hour)
		} else {
			player.sessions = 1 + p.random.IntN(60)
			player.level = 1 + player.sessions*2
			player.step, player.at = startingSession, p.nextSession(player, 0)
		}
		p.waiting = append(p.waiting, player)
	}
	heap.Init(&p.waiting)
	return p
}

// Next returns the next event. A population never ends.
func (p *Population) Next() Event {
	player := p.waiting[0]
	event := Event{At: p.start.Add(player.at), PlayerID: player.id}
	event.Type, event.Metadata = p.act(player)
	heap.Fix(&p.waiting, 0)
	return event
}

// agenda is a heap of players by the moment of their next step.
type agenda []*player

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if a[i].at != a[j].at {
		return a[i].at < a[j].at
	}
	return a[i].slot < a[j].slot
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(*player)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func (p *Population) chance(probability float64) bool { return p.random.Float64() < probability }

func (p *Population) upTo(d time.Duration) time.Duration {
	return time.Duration(p.random.Int64N(int64(d)))
}

func (p *Population) between(least, most time.Duration) time.Duration {
	return least + p.upTo(most-least)
}

// about draws from an exponential distribution with the given mean, cut at ten times it.
func (p *Population) about(mean time.Duration) time.Duration {
	return time.Duration(math.Min(p.random.ExpFloat64(), 10) * float64(mean))
}
