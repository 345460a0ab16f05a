// Package kubeconfig is `gmctl kubeconfig`: what kubectl needs to reach the
// environment's cluster.
package kubeconfig

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kube/kubeconfig"
)

// Options are what the commands work with.
type Options struct {
	IO         *iostreams.IOStreams
	EnvName    string
	Cluster    func(context.Context) (environment.Cluster, error)
	Executable func() (string, error)
	ConfigPath func() (string, error) // of gmctl.yaml, absolute; empty: there is none

	File  string
	Print bool
}

// NewCommand returns `gmctl kubeconfig`.
func NewCommand(f *factory.Factory) *cobra.Command { return newCommand(f, run) }

func newCommand(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Executable: os.Executable}
	opts.Cluster = func(ctx context.Context) (environment.Cluster, error) {
		env, err := f.Environment(environment.Options{})
		if err != nil {
			return environment.Cluster{}, err
		}
		return env.Cluster(ctx)
	}
	opts.ConfigPath = func() (string, error) {
		cfg, err := f.Config()
		if err != nil || cfg.Path == "" {
			return "", err
		}
		return filepath.Abs(cfg.Path)
	}
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Let kubectl reach the environment's cluster",
		Long: `Add the environment's cluster to the kubeconfig and make it the current context:
kubectl, k9s and Helm then work with it. Entries of other clusters stay. The entry
holds no credential: for each token kubectl asks gmctl, which makes it from your
AWS credentials, without the aws command.`,
		Example: `  gmctl kubeconfig -e dev
  gmctl kubeconfig -e dev --print > dev.kubeconfig
  kubectl get pods -n gamemetrics`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.EnvName = f.EnvName
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.File, "file", "", "the kubeconfig `file` (default: the first of $KUBECONFIG, else ~/.kube/config)")
	cmd.Flags().BoolVar(&opts.Print, "print", false, "print a kubeconfig with this cluster alone, and change no file")
	cmd.AddCommand(newTokenCommand(opts))
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	entry, err := opts.entry(ctx)
	if err != nil {
		return err
	}
	if opts.Print {
		text, err := kubeconfig.Render(entry)
		if err != nil {
			return err
		}
		_, err = opts.IO.Out.Write(text)
		return err
	}
	file := cmp.Or(opts.File, kubeconfig.DefaultPath())
	if err := kubeconfig.Merge(file, entry); err != nil {
		return err
	}
	fmt.Fprintf(opts.IO.Err, "%s %s is the current context in %s\n", opts.IO.Paint(iostreams.Green, "✓"), entry.Name, file)
	return nil
}

func (o *Options) entry(ctx context.Context) (kubeconfig.Entry, error) {
	cluster, err := o.Cluster(ctx)
	if err != nil {
		return kubeconfig.Entry{}, err
	}
	program, err := o.Executable()
	if err != nil {
		return kubeconfig.Entry{}, err
	}
	args := []string{"kubeconfig", "token", "--env", o.EnvName}
	config, err := o.ConfigPath()
	if err != nil {
		return kubeconfig.Entry{}, err
	}
	if config != "" {
		args = append(args, "--config", config)
	}
	return kubeconfig.Entry{
		Name: cluster.Name, Server: cluster.Endpoint, CA: cluster.CA, Command: program, Args: args, Env: cluster.Env,
	}, nil
}

func newTokenCommand(opts *Options) *cobra.Command {
	return &cobra.Command{
		Use:   "token",
		Short: "Print a token for the cluster, as kubectl asks for it",
		Long: `Print a token for the environment's cluster as a Kubernetes ExecCredential. It is
made of your AWS credentials and good for a quarter of an hour.`,
		Example: `  gmctl kubeconfig token -e dev | jq -r .status.token`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cluster, err := opts.Cluster(cmd.Context())
			if err != nil {
				return err
			}
			token, expires, err := cluster.Token(cmd.Context())
			if err != nil {
				return err
			}
			return json.NewEncoder(opts.IO.Out).Encode(credential{
				APIVersion: "client.authentication.k8s.io/v1", Kind: "ExecCredential",
				Status: status{Token: token, ExpirationTimestamp: expires.UTC().Truncate(time.Second)},
			})
		},
	}
}

// credential is client.authentication.k8s.io/v1's ExecCredential.
type credential struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Status     status `json:"status"`
}

type status struct {
	Token               string    `json:"token"`
	ExpirationTimestamp time.Time `json:"expirationTimestamp"`
}
