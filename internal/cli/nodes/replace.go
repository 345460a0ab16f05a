package nodes

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/commandline"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/rollout"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/upgrade"
)

type replaceOptions struct {
	rollout.Options
	Group, InstanceType string
}

func newReplaceCommand(f *factory.Factory) *cobra.Command {
	opts := &replaceOptions{Options: rollout.Options{IO: f.IO}}
	opts.Open = func() (rollout.Environment, error) { return f.Environment(environment.Options{}) }
	cmd := &cobra.Command{
		Use:   "replace GROUP --instance-type TYPE",
		Short: "Give a node group another instance type, new nodes first",
		Long: `Make a node group of the new instance type beside the old one, with the same size,
labels and taints; when its nodes are ready, drain the old ones as the disruption
budgets allow, and delete the old group. While a budget blocks, gmctl names it and
the pod, and in the end gives up; the platform runs on, and the command goes on
when it is run again.

Before anything is made, gmctl looks whether the platform has its place on nodes of
that type, and for disruption budgets that can never be satisfied.

The instance type in gmctl.yaml is changed on the way, and at the end Terraform's
plan is empty.`,
		Example: `  gmctl nodes replace data --instance-type m7i.large -e dev --dry-run
  gmctl nodes replace data --instance-type m7i.large -e dev`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.EnvName, opts.LogFormat, opts.Command = f.EnvName, f.LogFormat, commandline.Of(cmd, args)
			opts.Group = args[0]
			return replace(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.InstanceType, "instance-type", "", "the EC2 `type` of the new nodes, such as m7i.large")
	_ = cmd.MarkFlagRequired("instance-type") // it is there
	rollout.Flags(cmd, &opts.Options)
	cmd.Flags().BoolVar(&opts.Force, "force", false, "go on in spite of findings; disruption budgets are kept all the same")
	return cmd
}

func replace(ctx context.Context, opts *replaceOptions) error {
	return rollout.Run(ctx, &opts.Options, rollout.Rollout{
		What: "replace the nodes of " + opts.Group + " by " + opts.InstanceType,
		Done: "the nodes of " + opts.Group + " are " + opts.InstanceType,
		Preflight: func(ctx context.Context, options *upgrade.Options) ([]upgrade.Finding, error) {
			return options.PreflightReplace(ctx, opts.Group, opts.InstanceType)
		},
		Graph: func(ctx context.Context, options *upgrade.Options) (*engine.Graph, error) {
			return options.Replace(ctx, opts.Group, opts.InstanceType, time.Now())
		},
	})
}
