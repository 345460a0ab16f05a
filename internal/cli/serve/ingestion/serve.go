package ingestion

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/cli/serve/service"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/internal/tracing"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// memoryAtEase is up to how many MiB the service spares CPU: more than the queue may
// hold, with the bodies that the requests came in.
const memoryAtEase = 256

// serve runs the service and what keeps its database in shape.
func (o *Options) serve(ctx context.Context, log *slog.Logger) error {
	service.CollectSeldom(memoryAtEase)
	var senders ingestion.Config
	if err := o.senders(&senders); err != nil {
		return err
	}
	tracer, err := tracing.New(ctx, "ingestion", log)
	if err != nil {
		return err
	}
	defer tracer.Close(context.WithoutCancel(ctx))
	pool, err := postgres.NewPool(ctx, postgres.Config{
		DSN: o.DatabaseURL, Application: "gmctl-ingestion", MaxConns: postgres.Connections(o.Writers),
	})
	if err != nil {
		return err
	}
	defer pool.Close()
	listener, err := o.listener(ctx, log)
	if err != nil {
		return err
	}
	admin, err := o.adminListener(ctx)
	if err != nil {
		listener.Close()
		return err
	}
	store := postgres.NewStore(pool, nil)
	config := o.config(senders, store, log)
	config.Keys, config.Reader = postgres.NewKeys(pool), store
	config.Tracer = tracer
	config.Backlog, config.BacklogQuota = store, o.BacklogQuota
	config.Registry = ingestion.NewRegistry()

	keeping, stopKeeping := context.WithCancel(ctx)
	var keepers sync.WaitGroup
	defer keepers.Wait()
	defer stopKeeping()
	migrate := func(ctx context.Context, applied func(postgres.Migration)) error {
		return postgres.Migrate(ctx, pool, applied)
	}
	schema := &migration{migrate: migrate, log: log, state: errors.New("the schema is not made yet")}
	if o.Migrate {
		config.Dependencies = append(config.Dependencies, ingestion.Dependency{Name: "schema", Ping: schema.ping})
	}
	retained := newRetention(o.Retention, config.Registry, log)
	registry := schemas.NewRegistry(postgres.NewSchemas(pool).Active, log)
	keepers.Go(func() {
		if o.Migrate {
			schema.run(keeping)
		}
		if o.Retention > 0 {
			keepers.Go(func() { retained.run(keeping, store, o.keep()) })
		}
		if o.SchemaMode != string(schemas.Off) {
			keepers.Go(func() { registry.Run(keeping) })
		}
		keepers.Go(func() {
			postgres.KeepOutboxShort(keeping, pool, func(err error) { log.Warn("old rejected events could not be deleted", "error", err) })
		})
		store.Maintain(keeping, func(err error) { log.Warn("day partitions could not be made ahead", "error", err) })
	})

	config.Schemas, config.SchemaMode = registry, schemas.Mode(o.SchemaMode)
	config.Letters, config.DeadLetters = postgres.NewLetters(pool, nil), o.DeadLetters
	if config.SchemaMode != schemas.Off {
		config.Dependencies = append(config.Dependencies, ingestion.Dependency{Name: "schemas", Ping: registry.Ready})
	}
	service, err := ingestion.New(config)
	if err != nil {
		listener.Close()
		if admin != nil {
			admin.Close()
		}
		return err
	}
	if admin != nil {
		draining, drained := context.WithCancel(context.WithoutCancel(ctx)) // who stops it may look at it until then
		defer drained()
		keepers.Go(func() { administer(draining, service, admin, log) })
	}
	database := pool.Config().ConnConfig // without its password
	log.Info("storing in PostgreSQL", "host", database.Host, "port", database.Port, "database", database.Database, "user", database.User)
	return service.Run(ctx, listener)
}

// config is what the options mean to the service.
func (o *Options) config(config ingestion.Config, store ingestion.Store, log *slog.Logger) ingestion.Config {
	rules := event.DefaultRules()
	rules.MaxAge, rules.MaxAhead, rules.MaxMetadata = o.MaxAge, o.MaxAhead, o.MaxMetadata
	config.Store, config.Rules, config.Log = store, rules, log
	config.Commit = ingestion.CommitOptions{Writers: o.Writers, MaxQueue: o.MaxQueue}
	config.MaxBody, config.MaxBatchBody, config.MaxBatch = o.MaxBody, o.MaxBatchBody, o.MaxBatch
	config.Deadline, config.ShutdownGrace = o.Deadline, o.ShutdownGrace
	config.AdminApart = o.Admin != ""
	return config
}

// migration makes the schema as soon as the database is there.
type migration struct {
	migrate func(ctx context.Context, applied func(postgres.Migration)) error
	log     *slog.Logger

	mu    sync.Mutex
	state error // nil when the schema is made
}

// retryMigration is how long a failed migration waits before it is tried again.
const retryMigration = 2 * time.Second

// run tries until the schema is made or ctx ends.
func (m *migration) run(ctx context.Context) {
	for {
		err := m.migrate(ctx, func(step postgres.Migration) {
			m.log.Info("the schema was changed", "migration", step.Name)
		})
		if ctx.Err() != nil || m.note(err) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryMigration):
		}
	}
}

// note keeps the outcome for ping and logs it when it is news. It reports
// whether the schema is made.
func (m *migration) note(err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && err.Error() != m.state.Error() {
		m.log.Warn("the schema cannot be made yet; trying again until it can", "error", err)
	}
	m.state = err
	return err == nil
}

// ping is the readiness of the schema.
func (m *migration) ping(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}
