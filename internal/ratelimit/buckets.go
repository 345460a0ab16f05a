package ratelimit

import (
	"hash/maphash"
	"math"
	"sync"
	"time"
)

const shardCount = 64

// Buckets are token buckets by name. A bucket that is full again is forgotten, as
// one that was never used is full. The zero value is not ready; use New.
type Buckets struct {
	seed   maphash.Seed
	made   time.Time // from where moments are counted: of a clock that is set nothing is seen
	shards [shardCount]shard
}

// shard is a part of the buckets under a lock of its own. A bucket is the moment
// at which it is full again (the generic cell rate algorithm): one number, which
// needs no clock to tick.
type shard struct {
	mu    sync.Mutex
	full  map[uint64]int64 // by the hash of the name, in nanoseconds since the buckets were made
	limit int              // of len(full), at which those that are full are sought
	most  int              // of len(full)
}

// New returns buckets that are all full. About as many as given are remembered at
// once, which take some 40 bytes each.
func New(most int) *Buckets {
	b := &Buckets{seed: maphash.MakeSeed(), made: time.Now()}
	for i := range b.shards {
		s := &b.shards[i]
		s.full, s.most = map[uint64]int64{}, max(8, most/shardCount)
		s.limit = min(64, s.most)
	}
	return b
}

// Verdict is what came of asking for tokens.
type Verdict struct {
	OK        bool          // the tokens are taken
	Remaining int           // tokens that are left
	Full      time.Duration // until the bucket is full
	Retry     time.Duration // until the same can be asked again with success; 0 if OK
}

// Take takes n tokens from the bucket of a name, which has two parts, or none. A
// request for more than a bucket holds is met when the bucket is full, and what
// comes after it waits until it is paid for. With n = 0 nothing is taken: the
// verdict is about one token. A now with a monotonic reading, as time.Now gives it,
// keeps the rate also where the wall clock jumps.
func (b *Buckets) Take(scope, name string, rate Rate, n int, now time.Time) Verdict {
	if !rate.Limited() {
		return Verdict{OK: true, Remaining: math.MaxInt}
	}
	s, hash, full, at := b.open(scope, name, now)
	defer s.mu.Unlock()
	window := int64(rate.Window())
	need := int64(rate.cost(min(max(n, 1), rate.Size())))
	if wait := full + need - window - at; wait > 0 {
		return Verdict{Remaining: rate.left(full - at), Full: time.Duration(full - at), Retry: time.Duration(wait)}
	}
	if n > 0 {
		full += int64(rate.cost(n))
		s.put(hash, full, at)
	}
	return Verdict{OK: true, Remaining: rate.left(full - at), Full: time.Duration(full - at)}
}

// Give puts n tokens back that were taken from the bucket of a name.
func (b *Buckets) Give(scope, name string, rate Rate, n int, now time.Time) Verdict {
	if !rate.Limited() {
		return Verdict{OK: true, Remaining: math.MaxInt}
	}
	s, hash, full, at := b.open(scope, name, now)
	defer s.mu.Unlock()
	if full > at { // else it is full, or forgotten
		full = max(at, full-int64(rate.cost(n)))
		s.full[hash] = full
	}
	return Verdict{OK: true, Remaining: rate.left(full - at), Full: time.Duration(full - at)}
}

// open locks the shard of a bucket, and returns when the bucket is full, not before at,
// which is now.
func (b *Buckets) open(scope, name string, now time.Time) (s *shard, hash uint64, full, at int64) {
	var h maphash.Hash
	h.SetSeed(b.seed)
	_, _ = h.WriteString(scope)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(name)
	hash, at = h.Sum64(), int64(now.Sub(b.made))
	s = &b.shards[hash%shardCount]
	s.mu.Lock()
	full, known := s.full[hash]
	if !known || full < at {
		full = at
	}
	return s, hash, full, at
}

// left is how many tokens a bucket has that is full after a while.
func (r Rate) left(untilFull int64) int {
	const rounding = 1e-6 // of a token: costs are whole nanoseconds
	missing := float64(untilFull) / float64(time.Second) * r.PerSecond
	return max(0, int(float64(r.Size())-missing+rounding))
}

func (s *shard) put(hash uint64, full, now int64) {
	if _, known := s.full[hash]; !known && len(s.full) >= s.limit {
		s.sweep(now)
	}
	s.full[hash] = full
}

// sweep forgets the buckets that are full. Where too many are not, some are
// forgotten nevertheless: better a name too many let through than memory without
// bounds.
func (s *shard) sweep(now int64) {
	for hash, full := range s.full {
		if full <= now {
			delete(s.full, hash)
		}
	}
	for hash := range s.full {
		if len(s.full) <= s.most-s.most/8 { // so that the next sweep is a while off
			break
		}
		delete(s.full, hash)
	}
	s.limit = min(max(64, 2*len(s.full)), s.most)
}

// Len is how many buckets are remembered.
func (b *Buckets) Len() int {
	total := 0
	for i := range b.shards {
		b.shards[i].mu.Lock()
		total += len(b.shards[i].full)
		b.shards[i].mu.Unlock()
	}
	return total
}
