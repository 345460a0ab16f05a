package schemas

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// RefreshEvery is how soon a registry learns of a change; loadAgain, how soon it
// asks again while it knows nothing; loadTimeout, how long it waits for an answer.
const (
	RefreshEvery = 2 * time.Second
	loadAgain    = 200 * time.Millisecond
	loadTimeout  = 10 * time.Second
)

// ErrNotLoaded says that the schemas were never read: what they demand is not known.
var ErrNotLoaded = errors.New("the schemas of events were not read yet")

// Load returns the active schemas.
type Load func(context.Context) ([]Schema, error)

// Registry checks events against the active schemas of a store. A store that is
// away leaves those that were read last.
type Registry struct {
	load Load
	log  *slog.Logger
	all  atomic.Pointer[map[string]*entry] // nil before the first read
}

// entry is the active schema of one type.
type entry struct {
	Schema
	compiled *Compiled // nil: it cannot be compiled, and nothing is checked
}

// NewRegistry returns a registry that has read nothing yet; see Refresh and Run.
func NewRegistry(load Load, log *slog.Logger) *Registry { return &Registry{load: load, log: log} }

// Run reads the schemas, now and again, until ctx ends.
func (r *Registry) Run(ctx context.Context) {
	failing := false
	for {
		err := r.Refresh(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			r.log.Warn("the schemas of events cannot be read: those read last are used until they can", "error", err)
		}
		failing = err != nil
		pause := RefreshEvery
		if r.Ready(ctx) != nil {
			pause = loadAgain
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Refresh reads the schemas once, and compiles those that are new.
func (r *Registry) Refresh(ctx context.Context) error {
	loading, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	found, err := r.load(loading)
	if err != nil {
		return err
	}
	before := map[string]*entry{}
	if all := r.all.Load(); all != nil {
		before = *all
	}
	now := make(map[string]*entry, len(found))
	for _, schema := range found {
		if known := before[schema.EventType]; known != nil && known.Version == schema.Version && known.CreatedAt.Equal(schema.CreatedAt) {
			now[schema.EventType] = &entry{schema, known.compiled}
			continue
		}
		compiled, err := Compile(schema.Text)
		if err != nil { // gmctl stores none such
			r.log.Error("a schema cannot be used: events of its type are not checked", "eventType", schema.EventType, "version", schema.Version, "error", err)
		}
		now[schema.EventType] = &entry{schema, compiled}
	}
	r.all.Store(&now)
	return nil
}

// Ready is ErrNotLoaded before the schemas were read for the first time.
func (r *Registry) Ready(context.Context) error {
	if r.all.Load() == nil {
		return ErrNotLoaded
	}
	return nil
}

// Check returns what of the event's metadata breaks the schema of its type, and
// the schema's mode. The error is ErrNotLoaded.
func (r *Registry) Check(e *event.Event) (Mode, []event.FieldError, error) {
	all := r.all.Load()
	if all == nil {
		return Off, nil, ErrNotLoaded
	}
	found := (*all)[e.EventType]
	if found == nil || found.compiled == nil {
		return Off, nil, nil
	}
	return found.Mode, found.compiled.Check(e.Metadata), nil
}
