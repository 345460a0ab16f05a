package ingestion

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gamemetrics/gmctl/internal/ratelimit"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// maxBuckets bounds what is remembered of keys and players: about 40 MiB.
const maxBuckets = 1 << 20

// Limits are how many events a second are taken. A zero rate limits nothing; a
// key's own rates go before these.
type Limits struct {
	Key    ratelimit.Rate // of all events of one key
	Player ratelimit.Rate // of all events of one player of one game
}

// limiter holds requests to the limits.
type limiter struct {
	limits  Limits
	buckets *ratelimit.Buckets
	metrics *metrics
	now     func() time.Time // with its monotonic reading: a clock that is set must not stop a key for hours
}

// keyRate is the rate of the sender's key; without a key there is none.
func (l *limiter) keyRate(from *sender) ratelimit.Rate {
	if from.key == nil {
		return ratelimit.Rate{}
	}
	return from.key.Rate.Or(l.limits.Key)
}

func (l *limiter) playerRate(from *sender) ratelimit.Rate {
	if from.key == nil {
		return l.limits.Player
	}
	return from.key.PlayerRate.Or(l.limits.Player)
}

// Where the names of the buckets come from: no key has the id "player".
const playerScope = "player\x00"

// key takes n events from the key's limit, and tells the client what is left; with
// n = 0 it only looks whether anything is. The error says that they are too many.
func (l *limiter) key(w http.ResponseWriter, from *sender, n int) error {
	rate := l.keyRate(from)
	if !rate.Limited() {
		return nil
	}
	verdict := l.buckets.Take("key", from.key.ID, rate, n, l.now())
	tell(w.Header(), "key", rate, verdict)
	if verdict.OK {
		return nil
	}
	return tooMany(verdict, fmt.Sprintf("the API key %s brings more than %g events a second", from.key.ID, rate.PerSecond))
}

// player takes an event of a player from the player's limit.
func (l *limiter) player(from *sender, player string) (ratelimit.Rate, ratelimit.Verdict) {
	rate := l.playerRate(from)
	if !rate.Limited() {
		return rate, ratelimit.Verdict{OK: true}
	}
	return rate, l.buckets.Take(playerScope+from.record.Game, player, rate, 1, l.now())
}

// one holds a single event to the player's limit.
func (l *limiter) one(w http.ResponseWriter, from *sender, player string) error {
	rate, verdict := l.player(from, player)
	if verdict.OK {
		return nil
	}
	l.metrics.limited()
	tell(w.Header(), "player", rate, verdict)
	return tooMany(verdict, tooManyOfPlayer(rate))
}

// refund gives back what a request of n events took, key's and players', where it is
// answered 503: it will come again. A client that is gone gets no answer, and what it
// sent may be stored.
func (l *limiter) refund(w http.ResponseWriter, r *http.Request, from *sender, n int, records []Record, err error) {
	if !errors.Is(err, ErrUnavailable) || r.Context().Err() != nil {
		return
	}
	if rate := l.keyRate(from); rate.Limited() {
		tell(w.Header(), "key", rate, l.buckets.Give("key", from.key.ID, rate, n, l.now()))
	}
	if rate := l.playerRate(from); rate.Limited() {
		for i := range records {
			l.buckets.Give(playerScope+from.record.Game, records[i].PlayerID, rate, 1, l.now())
		}
	}
}

func tooManyOfPlayer(rate ratelimit.Rate) string {
	return fmt.Sprintf("the player has more than %g events a second", rate.PerSecond)
}

func tooMany(verdict ratelimit.Verdict, message string) error {
	return &requestError{
		status: http.StatusTooManyRequests, code: eventapi.RateLimited, message: message + "; send it again later",
		header: [2]string{"Retry-After", strconv.Itoa(seconds(verdict.Retry))},
	}
}

// tell sets the header fields of draft-ietf-httpapi-ratelimit-headers-10: which
// limit there is, and what is left of it.
func tell(header http.Header, name string, rate ratelimit.Rate, verdict ratelimit.Verdict) {
	header.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", name, rate.Size(), seconds(rate.Window())))
	header.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", name, verdict.Remaining, seconds(max(verdict.Full, verdict.Retry))))
}

// seconds rounds up, so that who waits as long waits long enough; at least 1.
func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// limitPlayers takes those events out of the batch that are too many of their
// player, and answers them so. It returns how long to wait before they are sent
// again. After an event that is too many none of its player is taken, though there
// may be room again: it would be stored before that one.
func (b *batch) limitPlayers() (wait time.Duration) {
	rate := b.server.limiter.playerRate(b.from)
	if !rate.Limited() {
		return 0
	}
	kept := 0
	limited := map[string]bool{} // by player
	for i := range b.records {
		player := b.records[i].PlayerID
		if !limited[player] {
			_, verdict := b.server.limiter.player(b.from, player)
			if verdict.OK {
				b.records[kept], b.places[kept] = b.records[i], b.places[i]
				kept++
				continue
			}
			wait = max(wait, verdict.Retry)
			limited[player] = true
		}
		b.server.metrics.limited()
		b.answer.Rejected++
		b.answer.Results[b.places[i]] = eventapi.BatchResult{Status: eventapi.Rejected, Error: &eventapi.Error{
			Code: eventapi.RateLimited, Message: tooManyOfPlayer(rate) + "; send it again later",
			Fields: []event.FieldError{{Field: "playerId", Code: event.CodeTooMany, Reason: "has too many events a second"}},
		}}
	}
	b.records, b.places = b.records[:kept], b.places[:kept]
	return wait
}
