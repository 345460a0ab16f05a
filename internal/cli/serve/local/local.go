// Package local is `gmctl serve local`, the supervised process behind the
// environment `local`. `gmctl up` starts it; nobody types it.
package local

import (
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/local"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// NewCommand returns `gmctl serve local`.
func NewCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:    "local --spec FILE",
		Short:  "Run the components of a local environment",
		Long:   "Run the components of a local environment until told to stop. `gmctl up` starts this process and talks to it.",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := local.ReadSpec(path)
			if err != nil {
				return &problem.Error{What: "the specification " + path + " cannot be read", Cause: err, Next: "start the environment with: gmctl up", Kind: problem.Usage}
			}
			return local.Serve(cmd.Context(), spec)
		},
	}
	cmd.Flags().StringVar(&path, "spec", "", "`file` that `gmctl up` wrote")
	_ = cmd.MarkFlagRequired("spec")
	return cmd
}
