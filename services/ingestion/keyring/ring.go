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

	mu      sync.Mutex
	reading *reading  // nil: nobody reads the keys now
	readAt  time.Time // when they were last read, or it failed
	failed  error     // how that ended
}

// reading is one reading of the keys, for all who wait for it.
type reading struct {
	done chan struct{} // closed when err is set
	err  error
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
	return &Ring{source: source, now: now, log: log}
}

// Run reads the keys again and again until ctx ends.
func (r *Ring) Run(ctx context.Context) {
	tick := time.NewTicker(RefreshEvery)
	defer tick.Stop()
	for {
		r.noteUse(ctx)
		_ = r.read(ctx, 0) // it is logged
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
		if err := r.read(ctx, askAgain); err != nil { // it may have been made just now
			return nil, fmt.Errorf("the API keys cannot be read: %w", err)
		}
		if key = r.find(hash); key == nil {
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

// read reads the keys unless that was done within the given time: then it returns
// how it ended. Who comes while they are being read waits for that, or until ctx ends.
func (r *Ring) read(ctx context.Context, within time.Duration) error {
	r.mu.Lock()
	now := r.reading
	switch {
	case now != nil:
		r.mu.Unlock()
		select {
		case <-now.done:
			return now.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	case time.Since(r.readAt) < within:
		defer r.mu.Unlock()
		return r.failed
	}
	now = &reading{done: make(chan struct{}), err: errors.New("the last reading was broken off")}
	r.reading = now
	r.mu.Unlock()
	r.finish(ctx, now)
	return now.err
}

// finish reads the keys for all who wait for it.
func (r *Ring) finish(ctx context.Context, now *reading) {
	defer func() { // also where the source panics
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reading, r.readAt, r.failed = nil, time.Now(), now.err
		close(now.done)
	}()
	fresh, err := r.fetch(ctx)
	r.learn(fresh, err)
	now.err = err
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
// works again.
func (r *Ring) learn(fresh *snapshot, err error) {
	before := r.failed // who reads is the only one to change it
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
