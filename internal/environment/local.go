package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/local"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/stage/component"
	"github.com/gamemetrics/gmctl/internal/stage/schema"
	"github.com/gamemetrics/gmctl/internal/stage/smoke"
	"github.com/gamemetrics/gmctl/internal/stage/supervisor"
	"github.com/gamemetrics/gmctl/internal/stage/topics"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// localPlatform is a platform embedded on this machine: what runs in its
// supervisor.
type localPlatform struct {
	dirs     paths.Dirs
	spec     local.Spec
	client   *local.Client
	keepData bool
}

var _ platform = (*localPlatform)(nil)

func newLocalPlatform(name string, dirs paths.Dirs, cfg config.Local, options Options) (*localPlatform, error) {
	spec, err := local.NewSpec(name, dirs, cfg, options.Kafka)
	if err != nil {
		return nil, err
	}
	return &localPlatform{dirs, spec, local.NewClient(dirs), options.KeepData}, nil
}

func (p *localPlatform) nodes() []engine.Node {
	run := func(c component.Options) engine.Stage {
		c.KeepData = p.keepData
		return component.New(p.client, c)
	}
	asked := func(s engine.Stage) engine.Stage { return throughSupervisor{s, p.client} }
	var kafkaData []string
	if !p.spec.External() {
		kafkaData = []string{p.spec.KafkaDir()}
	}
	return []engine.Node{
		{Name: "supervisor", About: "the background process", Stage: supervisor.New(p.client, p.spec)},
		{Name: "postgres", About: "the system of record", Needs: []string{"supervisor"},
			Stage: run(component.Options{
				Name: local.Postgres, Detail: "PostgreSQL, loopback only", Probe: p.probeDatabase,
				Data: []string{p.spec.Postgres, p.spec.SecretsDir()}, EndLeftovers: p.endLeftDatabase,
			})},
		{Name: "kafka", About: "the event bus", Needs: []string{"supervisor"},
			Stage: run(component.Options{Name: local.Kafka, Detail: "Kafka, loopback only", Probe: p.probeKafka, Data: kafkaData})},
		{Name: "schema", About: "the database's tables", Needs: []string{"postgres"}, Stage: asked(schema.New(p.databaseURL))},
		{Name: "topics", About: "the platform's topics", Needs: []string{"kafka"}, Stage: asked(topics.New(p.kafka))},
		{Name: "ingestion", About: "the HTTP API for events", Needs: []string{"schema"},
			Stage: run(component.Options{Name: local.Ingestion, Detail: "HTTP API, loopback only", Probe: p.probeIngestion})},
		{Name: "relay", About: "PostgreSQL to Kafka", Needs: []string{"schema", "topics"},
			Stage: run(component.Options{Name: local.Relay, Detail: "events to Kafka, each exactly once"})},
		{Name: "smoke", About: "an event all the way through", Needs: []string{"ingestion", "relay"},
			Stage: asked(smoke.New(p.smokeTarget))},
	}
}

// throughSupervisor is a stage that learns from the supervisor where what it looks
// at is. Of one that cannot be asked it knows nothing.
type throughSupervisor struct {
	engine.Stage
	client *local.Client
}

func (s throughSupervisor) Check(ctx context.Context) (engine.Health, error) {
	if _, err := s.client.Snapshot(ctx, false); errors.Is(err, local.ErrNoAnswer) {
		return engine.Health{State: engine.StateUnknown}, nil
	}
	return s.Stage.Check(ctx)
}

// endLeftDatabase ends a PostgreSQL that outlives its supervisor.
func (p *localPlatform) endLeftDatabase(ctx context.Context, doing func(string)) error {
	return server.EndLeftovers(ctx, p.spec.Postgres, doing)
}

func (p *localPlatform) probeDatabase(ctx context.Context) error {
	url, err := p.databaseURL(ctx)
	if err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, postgres.Config{DSN: url, Application: "gmctl probe", MaxConns: 1})
	if err != nil {
		return err
	}
	pool.Close()
	return nil
}

func (p *localPlatform) probeKafka(ctx context.Context) error {
	cfg, err := p.kafka(ctx)
	if err != nil {
		return err
	}
	session, err := kafka.Open(cfg)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Explain(session.Ping(ctx))
}

func (p *localPlatform) probeIngestion(ctx context.Context) error {
	url, err := p.connection(ctx, local.Ingestion)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/ready", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	var state eventapi.State
	if json.NewDecoder(response.Body).Decode(&state) == nil {
		for _, dependency := range state.Dependencies {
			if dependency.Status == eventapi.StatusUnavailable {
				return fmt.Errorf("it cannot use %s: %s", dependency.Name, dependency.Reason)
			}
		}
	}
	return fmt.Errorf("it answers %s", response.Status)
}

// connection returns how to connect to a component that runs.
func (p *localPlatform) connection(ctx context.Context, name string) (string, error) {
	snapshot, err := p.client.Snapshot(ctx, false)
	if errors.Is(err, local.ErrNotRunning) {
		return "", notUp()
	}
	if err != nil {
		return "", err
	}
	status := snapshot.Component(name)
	if status.Connection == "" {
		return "", &problem.Error{What: name + " is not running", Cause: cause(status), Next: "see why: gmctl status", Kind: problem.Unhealthy}
	}
	return status.Connection, nil
}

func cause(status local.Status) error {
	if p := status.Problem.Error(); p != nil {
		return p
	}
	return nil
}

func notUp() error {
	return &problem.Error{What: "the environment is not up", Next: "bring it up: gmctl up", Kind: problem.Unhealthy}
}

func (p *localPlatform) databaseURL(ctx context.Context) (string, error) {
	return p.connection(ctx, local.Postgres)
}

func (p *localPlatform) database(ctx context.Context, _ engine.Reporter) (Database, error) {
	url, err := p.databaseURL(ctx)
	return Database{URL: url}, err
}

func (p *localPlatform) close(context.Context) error { return nil }

func (p *localPlatform) ingestion(ctx context.Context) (Ingestion, error) {
	url, err := p.connection(ctx, local.Ingestion)
	return Ingestion{URL: url}, err
}

func (p *localPlatform) kafka(ctx context.Context) (kafka.Config, error) {
	brokers, err := p.connection(ctx, local.Kafka)
	if err != nil {
		return kafka.Config{}, err
	}
	return kafka.Config{Brokers: strings.Split(brokers, ",")}, nil
}

func (p *localPlatform) smokeTarget(ctx context.Context) (smoke.Target, error) {
	var target smoke.Target
	snapshot, err := p.client.Snapshot(ctx, false)
	if err != nil {
		return target, err
	}
	target.Instance = snapshot.Boot + " " + snapshot.SpecHash
	if target.IngestionURL, err = p.connection(ctx, local.Ingestion); err != nil {
		return target, err
	}
	if target.DatabaseURL, err = p.databaseURL(ctx); err != nil {
		return target, err
	}
	target.Kafka, err = p.kafka(ctx)
	return target, err
}

func (p *localPlatform) who(context.Context) string { return "" }

func (p *localPlatform) kubernetes(context.Context) (Cluster, error) {
	return Cluster{}, &problem.Error{
		What: "the environment runs on this machine, without Kubernetes", Next: "choose an environment on AWS: -e NAME", Kind: problem.Usage,
	}
}

// removable lets everything go: whoever types teardown is asked.
func (p *localPlatform) removable(context.Context) error { return nil }

// clear proves that no process of the environment is left, and so no port, and
// removes journal, logs and locks.
func (p *localPlatform) clear() error {
	if err := p.client.ProveGone(p.spec.Postgres); err != nil {
		return err
	}
	if p.keepData {
		return nil
	}
	for _, dir := range []string{p.dirs.Data, p.dirs.State} {
		if err := os.RemoveAll(dir); err != nil {
			return &problem.Error{What: "not all files of the environment could be removed", Cause: err, Next: "remove " + dir}
		}
	}
	// the parents are shared with other environments: only empty ones go
	for _, parent := range []string{filepath.Dir(p.dirs.Data), filepath.Dir(p.dirs.State), filepath.Dir(p.spec.Postgres), filepath.Dir(filepath.Dir(p.spec.Postgres))} {
		_ = os.Remove(parent)
	}
	return nil
}

// follow returns early, with a problem, if the supervisor ends.
func (p *localPlatform) follow(ctx context.Context) error {
	const look = 500 * time.Millisecond
	for {
		alive, err := p.client.Alive()
		switch {
		case err != nil:
			return err
		case !alive:
			return &problem.Error{What: "the supervisor ended", Next: "read why: gmctl logs supervisor; start it again: gmctl up"}
		}
		select {
		case <-ctx.Done():
			return p.client.Shutdown(context.WithoutCancel(ctx), silent{})
		case <-time.After(look):
		}
	}
}

// silent drops what a stage reports.
type silent struct{}

func (silent) Report(engine.Update) {}
