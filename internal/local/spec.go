package local

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gamemetrics/gmctl/internal/buildinfo"
	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/postgres/server"
)

// Spec is what the supervisor is to run. It is written by `gmctl up` and read
// once by the supervisor; a changed spec takes a new supervisor.
type Spec struct {
	Env      string       `json:"env"`
	Dirs     paths.Dirs   `json:"dirs"`
	Config   config.Local `json:"config"`
	Brokers  []string     `json:"brokers"`  // of a Kafka that runs elsewhere; none: the embedded one
	Postgres string       `json:"postgres"` // PostgreSQL's data directory
	Build    string       `json:"build"`    // identifies the gmctl that wrote it
}

// Embedded, in place of brokers, asks for the embedded Kafka.
const Embedded = "embedded"

// NewSpec returns the spec of the environment env. What is decided once is read
// from the last spec: where PostgreSQL keeps its data, and the brokers if they
// were given to `gmctl up` and not in the configuration. Empty brokers leave
// them as they are.
func NewSpec(env string, dirs paths.Dirs, cfg config.Local, brokers []string) (Spec, error) {
	build, err := buildID()
	if err != nil {
		return Spec{}, err
	}
	last, err := ReadSpec(specPath(dirs))
	postgres := last.Postgres
	if err != nil || postgres == "" {
		if postgres, err = server.DataDirFor(os.Geteuid() == 0, filepath.Join(dirs.Data, "postgres")); err != nil {
			return Spec{}, err
		}
	}
	spec := Spec{Env: env, Dirs: dirs, Config: cfg, Brokers: brokers, Postgres: postgres, Build: build}
	switch {
	case len(brokers) == 1 && brokers[0] == Embedded:
		spec.Brokers = nil
	case len(brokers) > 0:
	case len(cfg.Kafka.Brokers) > 0:
		spec.Brokers = cfg.Kafka.Brokers
	case len(last.Config.Kafka.Brokers) == 0:
		spec.Brokers = last.Brokers
	}
	return spec, nil
}

// Hash identifies the spec.
func (s Spec) Hash() string {
	encoded, err := json.Marshal(s)
	if err != nil {
		return err.Error() // a Spec of plain fields always encodes
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:8])
}

// External reports whether Kafka runs elsewhere.
func (s Spec) External() bool { return len(s.Brokers) > 0 }

// KafkaDir is where the embedded broker keeps its logs.
func (s Spec) KafkaDir() string { return filepath.Join(s.Dirs.Data, "kafka") }

// SecretsDir holds the database's passwords, each file readable by its user alone.
func (s Spec) SecretsDir() string { return filepath.Join(s.Dirs.Data, "secrets") }

// LogsDir holds one log a component.
func LogsDir(dirs paths.Dirs) string { return filepath.Join(dirs.State, "logs") }

func specPath(dirs paths.Dirs) string   { return filepath.Join(dirs.State, "spec.json") }
func recordPath(dirs paths.Dirs) string { return filepath.Join(dirs.State, "supervisor.json") }
func lockPath(dirs paths.Dirs) string   { return filepath.Join(dirs.State, "supervisor.lock") }

// ReadSpec reads a spec that Save wrote.
func ReadSpec(path string) (Spec, error) {
	var spec Spec
	return spec, readJSON(path, &spec)
}

// Save writes the spec where the supervisor of its environment looks for it.
func (s Spec) Save() (path string, err error) {
	path = specPath(s.Dirs)
	return path, writeJSON(path, s)
}

// record is what a running supervisor tells about itself to those who may read
// its state directory.
type record struct {
	PID      int            `json:"pid"`
	Control  string         `json:"control"` // base URL of the control API
	Token    string         `json:"token"`
	Boot     string         `json:"boot"` // id of this run of the supervisor
	SpecHash string         `json:"specHash"`
	Since    time.Time      `json:"since"`
	Ports    map[string]int `json:"ports"` // last port of each component, kept over restarts
}

func readRecord(dirs paths.Dirs) (record, error) {
	var r record
	err := readJSON(recordPath(dirs), &r)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	return r, err
}

func (r record) save(dirs paths.Dirs) error { return writeJSON(recordPath(dirs), r) }

// buildID tells two builds of gmctl apart, development builds too, without
// reading the whole binary.
func buildID() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	build := buildinfo.Get()
	return fmt.Sprintf("%s %s %d %d", build.Version, build.Commit, info.Size(), info.ModTime().UnixNano()), nil
}

func readJSON(path string, into any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeJSON replaces the file at path whole, readable by its owner alone.
func writeJSON(path string, content any) error {
	encoded, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	if _, err := draft.Write(append(encoded, '\n')); err != nil {
		draft.Close()
		return err
	}
	if err := draft.Close(); err != nil {
		return err
	}
	return os.Rename(draft.Name(), path)
}
