// Package config is gmctl.yaml: what a user may say about the environments,
// with a default for everything.
//
// The types of this file are the schema. Reading (decode.go), the JSON Schema
// for editors and docs/configuration.md (the package reference below) all
// derive from them: a field's name is its json tag, a field without omitempty or
// omitzero must be given, its comment is its description, and its check tag says what
// values it may have (checks.go).
package config

import (
	"reflect"
	"time"
)

// APIVersion is the version of the file's schema.
const APIVersion = "gmctl/v1"

// FileName is the name gmctl looks for in the working directory and its parents.
const FileName = "gmctl.yaml"

// LocalName is the name of the environment that is always there.
const LocalName = "local"

// Config is a whole gmctl.yaml.
type Config struct {
	// APIVersion is the version of this file's schema: gmctl/v1.
	APIVersion string `json:"apiVersion" check:"apiVersion"`
	// Environments by name, which is a DNS label. `local` is always there, with its defaults.
	Environments map[string]Environment `json:"environments,omitempty" keys:"name"`

	// Path is the file this came from; empty for the defaults alone.
	Path string `json:"-"`
}

// Provider names what an environment runs on.
type Provider string

// ProviderLocal embeds the whole platform on this machine.
const ProviderLocal Provider = "local"

// Providers returns what an environment can run on. A provider has its section
// in Environment and its case in Environment.fill.
func Providers() []Provider { return []Provider{ProviderLocal, ProviderAWS} }

// Environment is one deployment of the platform.
type Environment struct {
	// Provider is what the environment runs on: local or aws.
	Provider Provider `json:"provider" check:"provider"`
	// Local configures the provider local.
	Local Local `json:"local,omitzero"`
	// AWS configures the provider aws.
	AWS AWS `json:"aws,omitzero"`
}

// refuse returns what is wrong with the environment as a whole, nil for nothing.
func (e *Environment) refuse(name string) *refusal {
	switch e.Provider {
	case ProviderAWS:
		if !reflect.ValueOf(e.Local).IsZero() {
			return &refusal{message: "environments." + name + " runs on aws: its section local says nothing"}
		}
		return e.AWS.refuse(name)
	case ProviderLocal:
		if !reflect.ValueOf(e.AWS).IsZero() {
			return &refusal{message: "environments." + name + " runs on this machine: for its section aws to count, write provider: aws"}
		}
	}
	return nil
}

// Local is the platform embedded on this machine.
type Local struct {
	// Postgres configures the embedded PostgreSQL.
	Postgres LocalPostgres `json:"postgres,omitzero"`
	// Kafka configures the Kafka of the environment.
	Kafka LocalKafka `json:"kafka,omitzero"`
	// Ingestion configures the service that takes events in over HTTP.
	Ingestion LocalIngestion `json:"ingestion,omitzero"`
}

// LocalPostgres configures the embedded PostgreSQL.
type LocalPostgres struct {
	// Port to listen on, loopback only; the next free one if it is taken.
	Port int `json:"port,omitempty" check:"port"`
	// Binaries is a directory that holds initdb and postgres; a relative one is
	// relative to this file. Empty: those on PATH or in the system's usual
	// places, else downloaded ones.
	Binaries string `json:"binaries,omitempty" check:"path"`
}

// LocalKafka configures the Kafka of a local environment.
type LocalKafka struct {
	// Port the embedded broker listens on, loopback only; the next free one if it is taken.
	Port int `json:"port,omitempty" check:"port"`
	// Brokers of a Kafka that runs already, as host:port; the embedded broker
	// is then not started.
	Brokers []string `json:"brokers,omitempty" check:"address"`
}

// LocalIngestion configures the ingestion service.
type LocalIngestion struct {
	// Port of the HTTP API, loopback only; the next free one if it is taken.
	Port int `json:"port,omitempty" check:"port"`
	// MaxAge is how far back an event's timestamp may lie.
	MaxAge time.Duration `json:"maxAge,omitempty" check:"positive"`
	// MaxAhead is how far ahead of now an event's timestamp may lie.
	MaxAhead time.Duration `json:"maxAhead,omitempty" check:"positive"`
}

// Default returns the configuration of a user who wrote none.
func Default() *Config {
	cfg := &Config{APIVersion: APIVersion}
	cfg.fill()
	return cfg
}

// DefaultLocal returns the local provider's defaults: the ports people know.
func DefaultLocal() Local {
	return Local{
		Postgres:  LocalPostgres{Port: 5432},
		Kafka:     LocalKafka{Port: 9092},
		Ingestion: LocalIngestion{Port: 8080, MaxAge: 30 * day, MaxAhead: day},
	}
}
