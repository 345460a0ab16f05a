// Package environment says which stages make which environment.
package environment

import (
	"context"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Options are what a command line adds to the configuration.
type Options struct {
	// Kafka are the brokers, as host:port, of a Kafka that runs already, for an
	// environment that would embed one; local.Embedded goes back to that one.
	Kafka     []string
	KeepData  bool // teardown leaves the data, and the journal that tells of it
	Unprotect bool // teardown lifts what protects data from deletion
	Force     bool // up goes on where the platform is known not to fit
	Preview   bool // plans tell all that can be foreseen, not only what they need to be carried out
}

// Environment is a configured environment: where it lives and its stages.
type Environment struct {
	Name     string
	Provider config.Provider
	Dirs     paths.Dirs
	Graph    *engine.Graph

	configPath string // of gmctl.yaml; empty: there is none
	platform   platform
}

// platform is what an environment runs on.
type platform interface {
	// nodes are the stages that make up the environment.
	nodes() []engine.Node
	// who is as whom gmctl works; empty: as the user of this machine.
	who(context.Context) string
	ingestion(context.Context) (Ingestion, error)
	database(context.Context, engine.Reporter) (Database, error)
	kafka(context.Context) (kafka.Config, error)
	kubernetes(context.Context) (Cluster, error)
	logs(context.Context) (Logs, error)
	// removable says why the environment must not be torn down.
	removable(context.Context) error
	// clear ends a teardown: it proves that nothing is left, and removes what the
	// environment kept on this machine beside its stages.
	clear() error
	// follow stays with what runs on this machine until ctx ends, and stops it.
	follow(context.Context) error
	// close lets go of what was opened.
	close(context.Context) error
}

// Open returns the environment called name.
func Open(cfg *config.Config, name string, options Options) (*Environment, error) {
	settings, ok := cfg.Environments[name]
	if !ok {
		return nil, &problem.Error{
			What: fmt.Sprintf("there is no environment %q", name),
			Next: fmt.Sprintf("choose one of: %s; or add it to %s", strings.Join(slices.Sorted(maps.Keys(cfg.Environments)), ", "), config.FileName),
			Kind: problem.Usage,
		}
	}
	dirs, err := paths.For(name)
	if err != nil {
		return nil, err
	}
	if err := options.check(name, settings.Provider); err != nil {
		return nil, err
	}
	e := &Environment{Name: name, Provider: settings.Provider, Dirs: dirs, configPath: cfg.Path}
	switch settings.Provider {
	case config.ProviderAWS:
		e.platform = newAWSPlatform(name, dirs, settings.AWS, options)
	default:
		e.platform, err = newLocalPlatform(name, dirs, settings.Local, options)
	}
	if err != nil {
		return nil, err
	}
	e.Graph, err = engine.NewGraph(e.platform.nodes()...)
	return e, err
}

// check refuses what means nothing to the provider.
func (o Options) check(name string, provider config.Provider) error {
	for _, option := range []struct {
		flag  string
		given bool
		of    config.Provider
	}{
		{"--kafka", len(o.Kafka) > 0, config.ProviderLocal},
		{"--keep-data", o.KeepData, config.ProviderLocal},
		{"--unprotect", o.Unprotect, config.ProviderAWS},
		{"--force", o.Force, config.ProviderAWS},
	} {
		if option.given && option.of != provider {
			return &problem.Error{
				What: fmt.Sprintf("%s is not for the environment %s, which runs on %s", option.flag, name, provider),
				Next: "leave it out", Kind: problem.Usage,
			}
		}
	}
	return nil
}

// JournalPath is the file of the environment's journal.
func (e *Environment) JournalPath() string { return filepath.Join(e.Dirs.State, "journal.jsonl") }

// Lock makes this process the environment's only writer, or says who is. The
// caller releases it.
func (e *Environment) Lock(command string) (*engine.Lock, error) {
	if err := e.Dirs.Make(); err != nil {
		return nil, &problem.Error{What: "the directories of the environment " + e.Name + " cannot be made", Cause: err, Next: "gmctl doctor"}
	}
	return engine.AcquireLock(filepath.Join(e.Dirs.State, "lock"), engine.CurrentHolder(command))
}

// Engine returns the engine over the environment's stages. Its journal is open
// until Close of the engine's journal; hold the Lock while it writes.
func (e *Environment) Engine(sink engine.Sink, command string) (*engine.Engine, error) {
	return e.EngineOf(e.Graph, sink, command)
}

// EngineOf is Engine over other stages, such as those of an upgrade.
func (e *Environment) EngineOf(graph *engine.Graph, sink engine.Sink, command string) (*engine.Engine, error) {
	journal, err := engine.OpenJournal(e.JournalPath())
	if err != nil {
		return nil, err
	}
	return engine.New(engine.Options{
		Env: e.Name, Command: command, Graph: graph, Journal: journal, Sink: sink, Who: e.platform.who,
		Remedy: e.remedy,
	}), nil
}

// remedy has a stage's problem say what to do to this environment; local is the one
// that commands mean where they name none.
func (e *Environment) remedy(p *problem.Error) *problem.Error {
	if e.Name == config.LocalName {
		return p
	}
	return problem.Addressed(p, e.Name)
}

// Ingestion is the event API of an environment.
type Ingestion struct {
	URL string        // base of the API
	Key apikey.Secret // that the environment has for gmctl; empty: none is needed
}

// Ingestion is where the event API is.
func (e *Environment) Ingestion(ctx context.Context) (Ingestion, error) {
	return e.platform.ingestion(ctx)
}

// Database is how a program connects to the database.
type Database struct {
	URL string // holds a password
	// Dial connects to what the URL calls its host; nil: the network does. It works
	// until the environment is closed.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Database opens a way to the database, and tells what it waits for. The caller
// closes the environment.
func (e *Environment) Database(ctx context.Context, report engine.Reporter) (Database, error) {
	return e.platform.database(ctx, report)
}

// Forward listens on this machine until ctx ends, and returns where, as host:port:
// for programs that can only connect to an address. It needs a Dial.
func (d Database) Forward(ctx context.Context) (address string, err error) {
	return forward(ctx, func(ctx context.Context) (net.Conn, error) { return d.Dial(ctx, "", "") })
}

// Close lets go of what the environment has opened for its caller.
func (e *Environment) Close(ctx context.Context) error { return e.platform.close(ctx) }

// Kafka is how a program connects to Kafka.
func (e *Environment) Kafka(ctx context.Context) (kafka.Config, error) { return e.platform.kafka(ctx) }

// Cluster is how programs reach the environment's Kubernetes.
type Cluster struct {
	Name     string
	Endpoint string // https://host
	CA       []byte // PEM
	// Env are the environment variables that make gmctl work with the same
	// credentials.
	Env   map[string]string
	Token func(context.Context) (token string, expires time.Time, err error)
}

// Cluster is the environment's Kubernetes.
func (e *Environment) Cluster(ctx context.Context) (Cluster, error) {
	return e.platform.kubernetes(ctx)
}

// Clear ends a teardown: it proves that nothing of the environment is left, and
// removes what it kept on this machine beside its stages. An environment whose
// data stays keeps that too.
func (e *Environment) Clear() error { return e.platform.clear() }

// Removable says why the environment must not be torn down, before anything is.
func (e *Environment) Removable(ctx context.Context) error { return e.platform.removable(ctx) }

// Follow stays with the environment until ctx ends, and then stops it; its data
// stays. It returns early, with a problem, if the environment ends.
func (e *Environment) Follow(ctx context.Context) error { return e.platform.follow(ctx) }
