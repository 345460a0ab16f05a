// Package upgrade is `gmctl upgrade`: bring the cluster to another Kubernetes
// version.
package upgrade

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/commandline"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/rollout"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/upgrade"
)

// Options are what `gmctl upgrade` works with.
type Options struct {
	rollout.Options
	To string
}

// NewCommand returns `gmctl upgrade`.
func NewCommand(f *factory.Factory) *cobra.Command { return newCommand(f, run) }

func newCommand(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Options: rollout.Options{IO: f.IO}}
	opts.Open = func() (rollout.Environment, error) { return f.Environment(environment.Options{}) }
	cmd := &cobra.Command{
		Use:   "upgrade --to 1.NN",
		Short: "Bring the cluster to another Kubernetes version",
		Long: `Bring the environment's EKS cluster to a newer Kubernetes version: one minor version
at a time the control plane and then the add-ons, each to the version that EKS takes by
default; in the end the nodes, group by group, the brokers' last. EKS drains one
node after the other, as the disruption budgets allow; while one blocks, gmctl
names it and the pod.

Before anything is changed, gmctl looks for what would stall the upgrade or break
what runs: EKS's own upgrade insights, APIs in use that the new version does not
have, disruption budgets that can never be satisfied, nodes that are not ready.

The version in gmctl.yaml is raised on the way, and at the end Terraform's plan
is empty. An upgrade that was interrupted goes on when it is run again.`,
		Example: `  gmctl upgrade -e dev --to 1.36 --dry-run
  gmctl upgrade -e dev --to 1.36
  gmctl upgrade -e dev --to 1.36 --yes -o json | jq .data.findings`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.EnvName, opts.LogFormat, opts.Command = f.EnvName, f.LogFormat, commandline.Of(cmd, args)
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.To, "to", "", "the Kubernetes `version`, such as 1.36")
	_ = cmd.MarkFlagRequired("to") // it is there
	rollout.Flags(cmd, &opts.Options)
	cmd.Flags().BoolVar(&opts.Force, "force", false, "go on in spite of findings, and drain in spite of disruption budgets when they block for long")
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	return rollout.Run(ctx, &opts.Options, rollout.Rollout{
		What: "upgrade Kubernetes to " + opts.To,
		Done: opts.EnvName + " is at Kubernetes " + opts.To,
		Preflight: func(ctx context.Context, options *upgrade.Options) ([]upgrade.Finding, error) {
			return options.Preflight(ctx, opts.To)
		},
		Graph: func(ctx context.Context, options *upgrade.Options) (*engine.Graph, error) {
			return options.Graph(ctx, opts.To)
		},
	})
}
