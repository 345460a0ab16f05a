// Package environment says which stages make which environment.
package environment

import (
	"fmt"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Options are what a command line adds to the configuration.
type Options struct {
	KeepData bool // teardown leaves the data directory
}

// Environment is a configured environment: where it lives and its stages.
type Environment struct {
	Name string
	Dirs paths.Dirs
}

// Open returns the environment called name.
func Open(cfg *config.Config, name string, options Options) (*Environment, error) {
	if _, ok := cfg.Environments[name]; !ok {
		return nil, &problem.Error{
			What: fmt.Sprintf("there is no environment %q", name),
			Next: "add it to " + config.FileName + ", or leave --env out for the environment local",
			Kind: problem.Usage,
		}
	}
	dirs, err := paths.For(name)
	if err != nil {
		return nil, err
	}
	return &Environment{Name: name, Dirs: dirs}, nil
}
