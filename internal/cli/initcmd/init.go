// Package initcmd is `gmctl init`.
package initcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/templates"
)

// Options are what `gmctl init` works with.
type Options struct {
	IO    *iostreams.IOStreams
	Env   string // name of the environment the file describes
	Path  string // the file to write; empty: gmctl.yaml of the working directory
	Force bool   // overwrite a file that is there
}

// NewCommand returns `gmctl init`.
func NewCommand(f *factory.Factory) *cobra.Command {
	opts := &Options{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a gmctl.yaml to start from",
		Long: `Write a gmctl.yaml that describes one environment, with every default as a
comment, into the working directory. Editors check and complete it by its JSON
Schema. gmctl needs no such file: without one it uses the defaults.`,
		Example: `  gmctl init
  gmctl init -e load-test
  gmctl init --config deploy/gmctl.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			opts.Env, opts.Path = f.EnvName, f.ConfigPath
			return run(opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Force, "force", false, "overwrite the file if it is there")
	return cmd
}

func run(opts *Options) error {
	path := opts.Path
	if path == "" {
		path = config.FileName
	}
	text := []byte(strings.ReplaceAll(templates.Config, "ENVIRONMENT", opts.Env))
	if err := config.CheckName(opts.Env); err != nil {
		return err
	}
	// An exclusive creation, so that no file is overwritten that appears meanwhile.
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if opts.Force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &problem.Error{What: path + " is already there", Next: "overwrite it: gmctl init --force; or choose another file: --config FILE", Kind: problem.Usage}
	}
	if err != nil {
		return notWritten(path, err)
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return notWritten(path, err)
	}
	start := "gmctl up"
	if opts.Env != config.LocalName {
		start += " -e " + opts.Env
	}
	fmt.Fprintf(opts.IO.Err, "wrote %s; start it: %s\n", path, start)
	return nil
}

func notWritten(path string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return &problem.Error{What: path + " could not be written", Cause: err, Next: "check the folder and its permissions, or choose another file: --config FILE"}
}
