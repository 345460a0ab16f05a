// Package keyring is what a service knows of the API keys: all of them, in
// memory, as they were a moment ago. A request looks its key up without asking
// the database; that one is down turns no key away that is known.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gamemetrics/gmctl/internal/apikey"
)

const (
	// RefreshEvery is how often the keys are read: a key that was revoked is turned
	// away after this time, and the moment that reading them takes.
	RefreshEvery = 2 * time.Second
	// askAgain is the least time between two readings for keys that are not known,
	// which anybody can make up.
	askAgain = 250 * time.Millisecond
	// readTimeout bounds one reading.
	readTimeout = 2 * time.Second
)

// CallsAtOnce is how many calls of its source a ring makes at the same time at most: one
// that reads the keys, and one that notes which were used.
const CallsAtOnce = 2

// Source is where the keys are kept.
type Source interface {
	// Keys returns all keys, valid or not.
	Keys(ctx context.Context) ([]apikey.Key, error)
	// Used notes that the keys were used on a day.
	Used(ctx context.Context, ids []string, day time.Time) error
}

// Ring is the keys. All its methods may be called at once.
type Ring struct {
	source Source
	now    func() time.Time
	log    *slog.Logger

	known atomic.Pointer[snapshot] // nil: they were never read

	mu   sync.Mutex
	last *reading // the one that began last
}

// reading is one reading of the keys, for all who wait for it.
type reading struct {
	began time.Time
	done  chan struct{} // closed when what follows is set
	ended time.Time
	err   error
}

// snapshot is the keys at a moment.
type snapshot struct {
	keys    map[apikey.Hash]*held
	origins map[string]bool // of the web pages that any key is for
}

// held is a key, and whether it was used since it was read.
type held struct {
	apikey.Key
	used atomic.Bool
}

// New returns a ring that knows no key yet.
func New(source Source, now func() time.Time, log *slog.Logger) *Ring {
	none := &reading{done: make(chan struct{})}
	close(none.done)
	return &Ring{source: source, now: now, log: log, last: none}
}

// Run reads the keys again and again until ctx ends.
func (r *Ring) Run(ctx context.Context) {
	tick := time.NewTicker(RefreshEvery)
	defer tick.Stop()
	for {
		r.noteUse(ctx)
		if last := r.latest(); last.over() { // else somebody reads them just now
			r.follow(ctx, last)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Lookup returns the key that has the text. Its error is a Refusal, or says that
// the keys cannot be read and that this one may be valid.
func (r *Ring) Lookup(ctx context.Context, secret apikey.Secret) (*apikey.Key, error) {
	hash := secret.Hash()
	key := r.find(hash)
	if key == nil {
		if !secret.WellFormed() {
			return nil, Refusal("the API key is not one of ours, or mistyped: its checksum does not fit")
		}
		var err error
		if key, err = r.findAnew(ctx, hash); err != nil {
			return nil, fmt.Errorf("the API keys cannot be read: %w", err)
		}
		if key == nil {
			return nil, Refusal("the API key is not known")
		}
	}
	switch key.State(r.now()) {
	case apikey.Revoked:
		return nil, Refusal(fmt.Sprintf("the API key %s was revoked at %s", key.ID, key.RevokedAt.UTC().Format(time.RFC3339)))
	case apikey.Expired:
		return nil, Refusal(fmt.Sprintf("the API key %s expired at %s", key.ID, key.ExpiresAt.UTC().Format(time.RFC3339)))
	}
	if !key.used.Load() { // all requests would write to one place otherwise
		key.used.Store(true)
	}
	return &key.Key, nil
}

// Refusal is why a key is turned away.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// Read reports whether the keys were ever read.
func (r *Ring) Read() bool { return r.known.Load() != nil }

// HasOrigin reports whether any key is meant for the web pages of the origin.
func (r *Ring) HasOrigin(origin string) bool {
	known := r.known.Load()
	return known != nil && known.origins[origin]
}

func (r *Ring) find(hash apikey.Hash) *held {
	known := r.known.Load()
	if known == nil {
		return nil
	}
	return known.keys[hash]
}

// findAnew finds a key that may have been made just now; nil: it is not known. Only a
// reading that begins after the question can say so. It begins askAgain after the one
// before, and all who ask until then share it. One that fails answers who asks soon after.
func (r *Ring) findAnew(ctx context.Context, hash apikey.Hash) (*held, error) {
	before := r.latest()
	if err := before.wait(ctx); err != nil && (ctx.Err() != nil || time.Since(before.ended) < askAgain) {
		return nil, err
	}
	if key := r.find(hash); key != nil {
		return key, nil
	}
	select {
	case <-time.After(time.Until(before.began.Add(askAgain))):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := r.follow(ctx, before).wait(ctx); err != nil {
		return nil, err
	}
	return r.find(hash), nil
}

func (r *Ring) latest() *reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// follow returns the latest reading that began after one that is over. Where none has,
// it reads the keys itself.
func (r *Ring) follow(ctx context.Context, before *reading) *reading {
	r.mu.Lock()
	if r.last != before {
		defer r.mu.Unlock()
		return r.last
	}
	now := &reading{began: time.Now(), done: make(chan struct{}), err: errors.New("the last reading was broken off")}
	r.last = now
	r.mu.Unlock()
	defer func() { // also where the source panics
		now.ended = time.Now()
		close(now.done)
	}()
	fresh, err := r.fetch(ctx)
	r.learn(fresh, err, before.err)
	now.err = err
	return now
}

// over reports whether the reading has ended.
func (g *reading) over() bool {
	select {
	case <-g.done:
		return true
	default:
		return false
	}
}

// wait returns how the reading ended, or that ctx did.
func (g *reading) wait(ctx context.Context) error {
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *Ring) fetch(ctx context.Context) (*snapshot, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout) // others wait for it too
	defer cancel()
	keys, err := r.source.Keys(ctx)
	if err != nil {
		return nil, err
	}
	fresh := &snapshot{keys: make(map[apikey.Hash]*held, len(keys)), origins: map[string]bool{}}
	for _, key := range keys {
		fresh.keys[key.Hash] = &held{Key: key}
		if key.State(r.now()) != apikey.Valid {
			continue
		}
		for _, origin := range key.Origins {
			fresh.origins[origin] = true
		}
	}
	return fresh, nil
}

// learn keeps what was read, and logs when reading begins to fail and when it
// works again, by how the reading before ended.
func (r *Ring) learn(fresh *snapshot, err, before error) {
	switch {
	case err == nil:
		if old := r.known.Swap(fresh); old != nil {
			fresh.keep(old)
		}
		if before != nil {
			r.log.Info("the API keys can be read again")
		}
	case r.known.Load() == nil: // the service may be older than the table
		if before == nil {
			r.log.Info("the API keys cannot be read yet", "error", err)
		}
	case before == nil:
		r.log.Warn("the API keys cannot be read: those that are known stay valid", "error", err)
	}
}

// keep takes over which keys were used and are not noted yet.
func (s *snapshot) keep(old *snapshot) {
	for hash, key := range old.keys {
		if now := s.keys[hash]; now != nil && key.used.Load() {
			now.used.Store(true)
		}
	}
}

// noteUse tells the source which keys were used, once a day for each.
func (r *Ring) noteUse(ctx context.Context) {
	known := r.known.Load()
	if known == nil {
		return
	}
	now := r.now().UTC()
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	var used []string
	for _, key := range known.keys {
		if key.used.Swap(false) && key.LastUsed.Before(today) {
			used = append(used, key.ID)
		}
	}
	if len(used) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := r.source.Used(ctx, used, today); err != nil {
		r.log.Debug("it could not be noted that API keys were used", "error", err)
	}
}
