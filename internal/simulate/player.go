package simulate

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// step is what a player does next.
type step int

const (
	registering step = iota
	startingSession
	startingLevel
	finishingLevel
	buying
	achieving
	socialising
	watching
	endingSession
)

// player is one of the population's slots: when its player is gone for good,
// another takes the slot.
type player struct {
	slot int
	at   time.Duration // of the next step, since the population's start
	step step

	id        string
	market    market
	platform  string
	spender   spender
	skill     float64       // 0..1
	gap       time.Duration // mean time between two sessions
	sessions  int           // ever started
	level     int           // being tried
	attempt   int           // at this level
	returning bool          // was away for days

	session      string
	sessionStart time.Duration
	levelStart   time.Duration
	levelsPlayed int // in this session
	levelsLeft   int // before this session ends
	completed    bool
}

// join makes the slot's player a new person who has not played yet.
func (p *Population) join(player *player) {
	p.joined++
	slot := player.slot
	*player = *newPlayer(p)
	player.slot = slot
}

func newPlayer(p *Population) *player {
	return &player{
		id:       fmt.Sprintf("player-%06d", p.joined),
		market:   pick(p, markets(), func(m market) float64 { return m.share }),
		platform: anyOf(p, platforms()),
		spender:  pick(p, spenders(), func(s spender) float64 { return s.share }),
		skill:    p.random.Float64(),
		gap:      time.Duration(float64(10*time.Hour) * math.Exp(p.random.NormFloat64()*0.6)),
		level:    1,
	}
}

// act performs the player's step and decides on the next one.
func (p *Population) act(player *player) (string, json.RawMessage) {
	switch player.step {
	case registering:
		return p.register(player)
	case startingSession:
		return p.startSession(player)
	case startingLevel:
		return p.startLevel(player)
	case finishingLevel:
		return p.finishLevel(player)
	case buying:
		return p.buy(player)
	case achieving:
		return p.achieve(player)
	case socialising:
		return p.socialise(player)
	case watching:
		return p.watch(player)
	default:
		return p.endSession(player)
	}
}

func (p *Population) then(player *player, next step, after time.Duration) {
	player.step = next
	player.at += after
}

func (p *Population) register(player *player) (string, json.RawMessage) {
	p.then(player, startingSession, p.between(2*time.Second, 30*time.Second))
	return PlayerRegistered, newObject().
		text("platform", player.platform).
		text("country", player.market.country).
		text("referrer", anyOf(p, referrers())).done()
}

func (p *Population) startSession(player *player) (string, json.RawMessage) {
	player.sessions++
	player.session = fmt.Sprintf("%016x", p.random.Uint64())
	player.sessionStart = player.at
	player.levelsPlayed = 0
	player.levelsLeft = 1 + int(p.random.ExpFloat64()*4)
	fields := newObject().
		text("sessionId", player.session).
		text("platform", player.platform).
		text("country", player.market.country).
		text("appVersion", anyOf(p, appVersions())).
		integer("session", player.sessions)
	if player.returning {
		fields.flag("returning", true)
		player.returning = false
	}
	p.then(player, startingLevel, p.between(2*time.Second, 20*time.Second))
	return SessionStart, fields.done()
}

func (p *Population) startLevel(player *player) (string, json.RawMessage) {
	player.attempt++
	player.levelsLeft--
	player.levelStart = player.at
	p.then(player, finishingLevel, p.between(20*time.Second, 3*time.Minute))
	return LevelStart, newObject().
		text("sessionId", player.session).
		integer("level", player.level).
		integer("difficulty", difficulty(player.level)).
		integer("attempt", player.attempt).done()
}

func (p *Population) finishLevel(player *player) (string, json.RawMessage) {
	player.levelsPlayed++
	// Practice helps: each attempt makes the next one easier.
	fails := 0.1 + 0.06*float64(difficulty(player.level)) - 0.35*player.skill - 0.05*float64(player.attempt)
	player.completed = !p.chance(min(max(fails, 0.03), 0.9))
	fields := newObject().
		text("sessionId", player.session).
		integer("level", player.level).
		integer("difficulty", difficulty(player.level)).
		integer("attempt", player.attempt).
		integer("durationMs", int((player.at - player.levelStart).Milliseconds()))
	if player.completed {
		fields.integer("score", 100*player.level+p.random.IntN(1000)).integer("stars", 1+p.random.IntN(3))
		player.level++
		player.attempt = 0
		p.afterLevel(player)
		return LevelComplete, fields.done()
	}
	fields.text("reason", anyOf(p, []string{"time_up", "defeated", "gave_up"}))
	p.afterLevel(player)
	return LevelFail, fields.done()
}

// afterLevel decides what fills the moments after a level.
func (p *Population) afterLevel(player *player) {
	pause := p.between(time.Second, 10*time.Second)
	switch {
	case player.completed && player.level%5 == 0:
		p.then(player, achieving, pause)
	case p.chance(player.spender.purchase * p.eagerness(player)):
		p.then(player, buying, pause)
	case p.chance(0.03):
		p.then(player, socialising, pause)
	case player.spender.purchase == 0 && p.chance(0.12):
		p.then(player, watching, pause)
	default:
		p.playOn(player)
	}
}

// eagerness is how much likelier a purchase becomes when a level resists.
func (p *Population) eagerness(player *player) float64 {
	return 1 + min(float64(player.attempt)*0.5, 2)
}

func (p *Population) playOn(player *player) {
	if player.levelsLeft > 0 {
		p.then(player, startingLevel, p.between(2*time.Second, 15*time.Second))
		return
	}
	p.then(player, endingSession, p.between(time.Second, 5*time.Second))
}

func (p *Population) buy(player *player) (string, json.RawMessage) {
	first, last := player.spender.tiers[0], player.spender.tiers[1]
	item := tiers()[first+p.random.IntN(last-first+1)]
	p.playOn(player)
	return Purchase, newObject().
		text("sessionId", player.session).
		text("sku", item.sku).
		decimal("price", item.usd*player.market.perUSD, player.market.decimals).
		text("currency", player.market.currency).
		decimal("priceUsd", item.usd, 2).
		text("spender", player.spender.name).
		integer("level", player.level).done()
}

func (p *Population) achieve(player *player) (string, json.RawMessage) {
	p.playOn(player)
	return AchievementUnlocked, newObject().
		text("sessionId", player.session).
		text("achievement", fmt.Sprintf("level_%d", player.level)).
		integer("points", 10*difficulty(player.level)).done()
}

func (p *Population) socialise(player *player) (string, json.RawMessage) {
	p.playOn(player)
	friend := fmt.Sprintf("player-%06d", 1+p.random.IntN(p.joined))
	fields := newObject().text("sessionId", player.session).text("friendId", friend)
	if p.chance(0.3) {
		return FriendInvited, fields.text("channel", anyOf(p, []string{"link", "contacts", "guild"})).done()
	}
	return GiftSent, fields.text("gift", anyOf(p, []string{"life", "coins", "booster"})).done()
}

func (p *Population) watch(player *player) (string, json.RawMessage) {
	p.playOn(player)
	return AdWatched, newObject().
		text("sessionId", player.session).
		text("placement", anyOf(p, []string{"extra_life", "double_coins", "daily_chest"})).
		integer("durationMs", 5000*(1+p.random.IntN(6))).done()
}

func (p *Population) endSession(player *player) (string, json.RawMessage) {
	fields := newObject().
		text("sessionId", player.session).
		integer("durationMs", int((player.at-player.sessionStart).Milliseconds())).
		integer("levels", player.levelsPlayed).
		text("reason", anyOf(p, []string{"quit", "quit", "quit", "background", "disconnect"})).done()
	p.afterSession(player)
	return SessionEnd, fields
}

// afterSession decides whether the player comes back as usual, after a long
// while, or never; then a newcomer takes the slot.
func (p *Population) afterSession(player *player) {
	// Most who leave do so within their first sessions.
	if !p.chance(0.015 + 0.3/float64(1+player.sessions)) {
		player.step, player.at = startingSession, p.nextSession(player, player.at)
		return
	}
	if p.chance(0.25) {
		player.returning = true
		p.then(player, startingSession, p.between(3*24*time.Hour, 21*24*time.Hour))
		return
	}
	left := player.at
	p.join(player)
	player.at = left
	p.then(player, registering, p.about(6*time.Hour))
}

// nextSession draws when the player comes back, after the given moment: gaps
// are exponential, and hours of the day count by how active people are in them.
func (p *Population) nextSession(player *player, after time.Duration) time.Duration {
	const meanActivity = 0.44
	at := after
	for range 100 {
		at += time.Minute + p.about(time.Duration(float64(player.gap)*meanActivity))
		if p.chance(activity(p.start.Add(at + player.market.offset).UTC().Hour())) {
			break
		}
	}
	return at
}

// difficulty of a level, 1 (easy) to 10: it rises slowly, and every tenth
// level is harder than those around it.
func difficulty(level int) int {
	rising := 1 + int(3*math.Log10(float64(level)))
	if level%10 == 0 {
		rising += 3
	}
	return min(rising, 10)
}

func anyOf[T any](p *Population, of []T) T { return of[p.random.IntN(len(of))] }

// pick chooses by share; the shares add up to 1.
func pick[T any](p *Population, of []T, share func(T) float64) T {
	draw := p.random.Float64()
	for _, candidate := range of {
		if draw -= share(candidate); draw < 0 {
			return candidate
		}
	}
	return of[len(of)-1]
}
