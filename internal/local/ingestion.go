package local

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// ingestionComponent is the ingestion service in this process.
type ingestionComponent struct {
	reliance
	spec     Spec
	port     keptPort
	log      *slog.Logger
	database func() (url string, up bool)
	stored   chan<- struct{} // told when something new is stored
}

var (
	_ relying  = (*ingestionComponent)(nil)
	_ released = (*ingestionComponent)(nil)
)

// release implements released.
func (i *ingestionComponent) release() { i.port.release() }

// errNoDatabase is why a component that needs PostgreSQL does not start.
var errNoDatabase = errors.New("PostgreSQL is not up")

func (i *ingestionComponent) run(ctx context.Context, say announcer) error {
	url, up := i.database()
	if !up {
		return errNoDatabase
	}
	say.doing("connecting to PostgreSQL")
	pool, err := postgres.Open(ctx, postgres.Config{
		DSN: url, Application: "gmctl ingestion", MaxConns: postgres.Connections(ingestion.DefaultWriters),
	})
	if err != nil {
		return err
	}
	defer pool.Close()
	tracer := tracerOf(ctx, Ingestion, i.log)
	defer tracer.Close(context.WithoutCancel(ctx))
	store := postgres.NewStore(pool, func() {
		select {
		case i.stored <- struct{}{}:
		default: // the relay is about to look anyway
		}
	})
	rules := event.DefaultRules()
	rules.MaxAge, rules.MaxAhead = i.spec.Config.Ingestion.MaxAge, i.spec.Config.Ingestion.MaxAhead
	registry := schemas.NewRegistry(postgres.NewSchemas(pool).Active, i.log)
	service, err := ingestion.New(ingestion.Config{
		Store: store, Keys: postgres.NewKeys(pool), Rules: rules, Log: i.log, Backlog: store, BacklogQuota: ingestion.DefaultBacklogQuota,
		Reader: store, OpenHere: true, Tracer: tracer,
		Schemas: registry, Letters: postgres.NewLetters(pool, nil), DeadLetters: true,
	})
	if err != nil {
		return err
	}
	listener, err := i.port.lend()
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	var maintenance sync.WaitGroup
	defer maintenance.Wait()
	ctx, cancel := i.hold(ctx, anchor{"PostgreSQL", url, i.database})
	defer cancel()
	maintenance.Go(func() {
		store.Maintain(ctx, func(err error) { i.log.Warn("the coming days' partitions could not be made", "error", err) })
	})
	if err := registry.Refresh(ctx); err != nil {
		return err
	}
	maintenance.Go(func() { registry.Run(ctx) })
	maintenance.Go(func() {
		postgres.KeepOutboxShort(ctx, pool, func(err error) { i.log.Warn("old rejected events could not be deleted", "error", err) })
	})
	say.ready(facts{
		endpoints:  []engine.Endpoint{{Name: "api", URL: "http://" + address}},
		connection: "http://" + address,
	})
	maintenance.Go(func() {
		tellTrouble(ctx, func() error { return cmp.Or(service.Trouble(), service.Refusing()) }, say)
	})
	return ended(ctx, service.Run(ctx, listener))
}

// tellTrouble says whether events cannot be stored, or are refused, until ctx ends.
func tellTrouble(ctx context.Context, trouble func() error, say announcer) {
	const pause = 250 * time.Millisecond
	for {
		say.warn(problem.From(trouble()))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
