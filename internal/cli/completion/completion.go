// Package completion is `gmctl completion`.
package completion

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/suggest"
)

// Shells are those a completion script can be written for.
func Shells() []string { return []string{"bash", "zsh", "fish", "powershell"} }

// NewCommand returns `gmctl completion`.
func NewCommand(f *factory.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script that completes gmctl's commands in your shell",
		Long: `Print a script that completes gmctl's commands, flags and environments in your
shell. Load it when the shell starts:

  bash         source <(gmctl completion bash)              in ~/.bashrc; needs bash-completion
  zsh          source <(gmctl completion zsh)               in ~/.zshrc, after compinit
  fish         gmctl completion fish | source               in ~/.config/fish/config.fish
  powershell   gmctl completion powershell | Out-String | Invoke-Expression
                                                            in $PROFILE`,
		Example: `  source <(gmctl completion bash)
  gmctl completion zsh > "${fpath[1]}/_gmctl"`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.FixedCompletions(Shells(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			shell, err := choose(args)
			if err != nil {
				return err
			}
			switch shell {
			case "bash":
				return cmd.Root().GenBashCompletionV2(f.IO.Out, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(f.IO.Out)
			case "fish":
				return cmd.Root().GenFishCompletion(f.IO.Out, true)
			default:
				return cmd.Root().GenPowerShellCompletionWithDesc(f.IO.Out)
			}
		},
	}
}

func choose(args []string) (string, error) {
	all := strings.Join(Shells(), ", ")
	if len(args) != 1 {
		return "", &problem.Error{What: "gmctl completion needs the name of one shell", Next: "choose one of: " + all, Kind: problem.Usage}
	}
	if slices.Contains(Shells(), args[0]) {
		return args[0], nil
	}
	next := "choose one of: " + all
	if near := suggest.Nearest(args[0], Shells()); near != "" {
		next = "did you mean " + near + "? " + next
	}
	return "", &problem.Error{What: "there is no completion for the shell " + args[0], Next: next, Kind: problem.Usage}
}
