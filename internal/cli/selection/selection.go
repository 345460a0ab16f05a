// Package selection is the flags --only and --skip, with which a user says
// which stages a run walks.
package selection

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/environment"
)

// Flags adds --only and --skip to cmd. nodes returns the stages of the
// environment; it is called only to complete their names.
func Flags(cmd *cobra.Command, selection *engine.Selection, nodes func() ([]engine.Node, error)) {
	cmd.Flags().StringSliceVar(&selection.Only, "only", nil, "just these `stages`, comma separated; repeatable")
	cmd.Flags().StringSliceVar(&selection.Skip, "skip", nil, "leave these `stages` out, comma separated; repeatable")
	complete := func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		all, err := nodes()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return candidates(all, typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	_ = cmd.RegisterFlagCompletionFunc("only", complete)
	_ = cmd.RegisterFlagCompletionFunc("skip", complete)
}

// Stages returns the stages of the environment that f makes, for Flags.
func Stages(f *factory.Factory) func() ([]engine.Node, error) {
	return func() ([]engine.Node, error) {
		env, err := f.Environment(environment.Options{})
		if err != nil {
			return nil, err
		}
		return env.Graph.Nodes(), nil
	}
}

// candidates completes the last name of a list such as "kafka,po".
func candidates(nodes []engine.Node, typed string) []string {
	listed := strings.Split(typed, ",")
	before, begun := listed[:len(listed)-1], listed[len(listed)-1]
	var found []string
	for _, node := range nodes {
		if strings.HasPrefix(node.Name, begun) && !slices.Contains(before, node.Name) {
			word := strings.Join(append(slices.Clone(before), node.Name), ",")
			found = append(found, cobra.CompletionWithDesc(word, node.About))
		}
	}
	return found
}
