// Package initcmd is `gmctl init`.
package initcmd

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
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

	Provider string // empty: local for the environment local, else aws
	Template string // of the provider aws; empty: prod for an environment of that name, else dev
	Region   string // of the provider aws
}

// NewCommand returns `gmctl init`.
func NewCommand(f *factory.Factory) *cobra.Command {
	opts := &Options{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a gmctl.yaml to start from",
		Long: `Write a gmctl.yaml that describes one environment, with every default as a
comment, into the working directory. Editors check and complete it by its JSON
Schema. gmctl needs no such file for the environment local: without one it uses
the defaults. Any other environment runs on AWS, unless --provider local says
that it is one more on this machine.`,
		Example: `  gmctl init
  gmctl init -e dev --region eu-west-1
  gmctl init -e prod
  gmctl init -e load-test --provider local
  gmctl init --config deploy/gmctl.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			opts.Env, opts.Path = f.EnvName, f.ConfigPath
			return run(opts)
		},
	}
	cmd.Flags().StringVar(&opts.Provider, "provider", "", "what the environment runs on: `local or aws` (default: local for the environment local, else aws)")
	cmd.Flags().StringVar(&opts.Template, "template", "", "the defaults to begin with on aws: `dev or prod` (default: prod for an environment of that name, else dev)")
	cmd.Flags().StringVar(&opts.Region, "region", "", "AWS `region` (default: $AWS_REGION, else "+fallbackRegion+")")
	_ = cmd.RegisterFlagCompletionFunc("provider", cobra.FixedCompletions(providers(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("template", cobra.FixedCompletions([]string{config.TemplateDev, config.TemplateProd}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().BoolVar(&opts.Force, "force", false, "overwrite the file if it is there")
	return cmd
}

// fallbackRegion is what a file says where nothing says a region: it is the
// user's to change, and gmctl plan shows it before anything is made.
const fallbackRegion = "eu-central-1"

func providers() []string {
	var names []string
	for _, provider := range config.Providers() {
		names = append(names, string(provider))
	}
	return names
}

// text is the file, checked as gmctl will read it.
func (o *Options) text(path string) ([]byte, error) {
	what := templates.ConfigOptions{Env: o.Env, Provider: config.Provider(o.Provider), Template: o.Template, Region: o.Region}
	if what.Provider == "" {
		what.Provider = config.ProviderAWS
		if o.Env == config.LocalName {
			what.Provider = config.ProviderLocal
		}
	}
	if !slices.Contains(config.Providers(), what.Provider) {
		return nil, &problem.Error{What: fmt.Sprintf("there is no provider %q", o.Provider), Next: "choose one of: " + strings.Join(providers(), ", "), Kind: problem.Usage}
	}
	if what.Template == "" {
		what.Template = config.TemplateDev
		if o.Env == config.TemplateProd {
			what.Template = config.TemplateProd
		}
	}
	what.Region = cmp.Or(what.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), fallbackRegion)
	if err := config.CheckName(o.Env); err != nil {
		return nil, err
	}
	text, err := templates.Config(what)
	if err != nil {
		return nil, err
	}
	if _, err := config.Parse(path, []byte(text)); err != nil {
		return nil, &problem.Error{What: "such a file would not be valid", Cause: errors.Unwrap(err), Next: "choose other words: gmctl init --help", Kind: problem.Usage}
	}
	return []byte(text), nil
}

func run(opts *Options) error {
	path := opts.Path
	if path == "" {
		path = config.FileName
	}
	text, err := opts.text(path)
	if err != nil {
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
