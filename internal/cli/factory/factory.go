// Package factory holds what every command is made from: the terminal, the
// global flags, and lazily the configuration and the environment they name.
package factory

import (
	"context"
	"errors"
	"sync"

	"github.com/gamemetrics/gmctl/internal/buildinfo"
	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/iostreams"
)

// Factory is handed to each command's constructor. Its flag fields are filled
// when cobra has parsed the command line, so read them in RunE, not before.
type Factory struct {
	IO    *iostreams.IOStreams
	Build buildinfo.Info

	EnvName    string // -e/--env
	ConfigPath string // --config; empty: gmctl.yaml of this folder or a parent, if any
	LogFormat  string // --log-format: text or json

	config func() (*config.Config, error)
	opened []*environment.Environment
}

// New returns a factory over the given streams.
func New(io *iostreams.IOStreams) *Factory {
	f := &Factory{IO: io, Build: buildinfo.Get()}
	f.config = sync.OnceValues(func() (*config.Config, error) { return config.Load(f.ConfigPath) })
	return f
}

// Config returns the configuration, read once; the defaults where there is no file.
func (f *Factory) Config() (*config.Config, error) { return f.config() }

// Environment opens the environment that --env names.
func (f *Factory) Environment(options environment.Options) (*environment.Environment, error) {
	cfg, err := f.Config()
	if err != nil {
		return nil, err
	}
	env, err := environment.Open(cfg, f.EnvName, options)
	if err == nil {
		f.opened = append(f.opened, env)
	}
	return env, err
}

// Close lets go of what the environments have opened.
func (f *Factory) Close(ctx context.Context) error {
	var errs []error
	for _, env := range f.opened {
		errs = append(errs, env.Close(ctx))
	}
	return errors.Join(errs...)
}
