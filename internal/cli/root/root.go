// Package root is the command gmctl itself: global flags, the list of commands,
// what is wrong with a command line, and how errors are printed.
package root

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/completion"
	"github.com/gamemetrics/gmctl/internal/cli/dlq"
	"github.com/gamemetrics/gmctl/internal/cli/doctor"
	"github.com/gamemetrics/gmctl/internal/cli/eject"
	"github.com/gamemetrics/gmctl/internal/cli/events"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/history"
	"github.com/gamemetrics/gmctl/internal/cli/initcmd"
	"github.com/gamemetrics/gmctl/internal/cli/kafka"
	"github.com/gamemetrics/gmctl/internal/cli/keys"
	"github.com/gamemetrics/gmctl/internal/cli/kubeconfig"
	"github.com/gamemetrics/gmctl/internal/cli/logs"
	"github.com/gamemetrics/gmctl/internal/cli/nodes"
	"github.com/gamemetrics/gmctl/internal/cli/parts"
	"github.com/gamemetrics/gmctl/internal/cli/plan"
	"github.com/gamemetrics/gmctl/internal/cli/players"
	"github.com/gamemetrics/gmctl/internal/cli/psql"
	"github.com/gamemetrics/gmctl/internal/cli/schemas"
	"github.com/gamemetrics/gmctl/internal/cli/serve"
	"github.com/gamemetrics/gmctl/internal/cli/status"
	"github.com/gamemetrics/gmctl/internal/cli/teardown"
	"github.com/gamemetrics/gmctl/internal/cli/up"
	"github.com/gamemetrics/gmctl/internal/cli/upgrade"
	"github.com/gamemetrics/gmctl/internal/cli/version"
)

// NewCommand returns gmctl with all its commands.
func NewCommand(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gmctl",
		Short: "Run GameMetrics Pro, the real-time game analytics platform",
		Long: `Run GameMetrics Pro, the real-time game analytics platform: events of your games
go in over HTTP, are stored in PostgreSQL, and come out of Kafka.

With no gmctl.yaml the environment is "local": the whole platform on this
machine, in the background, with no cloud account and nothing to install.`,
		Example: `  gmctl up                # bring the platform up on this machine
  gmctl status            # is it well?
  gmctl teardown          # remove it, and say what data goes`,
		Version:       f.Build.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	globalFlags(cmd, f)
	group(cmd, "Platform",
		meantBy(up.NewCommand(f), "start", "deploy", "apply", "create"),
		meantBy(status.NewCommand(f), "ps", "health", "get"),
		logs.NewCommand(f),
		plan.NewCommand(f),
		history.NewCommand(f),
		meantBy(teardown.NewCommand(f), "stop", "destroy", "delete", "rm"),
	)
	group(cmd, "Cluster",
		upgrade.NewCommand(f),
		meantBy(nodes.NewCommand(f), "node", "nodegroup", "nodegroups"),
		kubeconfig.NewCommand(f),
	)
	group(cmd, "Events, Kafka, PostgreSQL",
		events.NewCommand(f),
		meantBy(keys.NewCommand(f), "key", "apikey", "apikeys", "token", "tokens"),
		schemas.NewCommand(f),
		players.NewCommand(f),
		meantBy(dlq.NewCommand(f), "deadletters", "dead-letters"),
		kafka.NewCommand(f),
		meantBy(psql.NewCommand(f), "sql", "db"),
	)
	group(cmd, "Services",
		serve.NewCommand(f),
	)
	help := newHelp()
	cmd.SetHelpCommand(help)
	group(cmd, "Tooling",
		doctor.NewCommand(f),
		initcmd.NewCommand(f),
		eject.NewCommand(f),
		parts.NewCommand(f),
		version.NewCommand(f),
		completion.NewCommand(f),
		help,
	)
	takeNoArgumentsByDefault(cmd)
	return cmd
}

// group adds commands to cmd under a heading of its help.
func group(cmd *cobra.Command, title string, commands ...*cobra.Command) {
	cmd.AddGroup(&cobra.Group{ID: title, Title: title + ":"})
	for _, c := range commands {
		c.GroupID = title
	}
	cmd.AddCommand(commands...)
}

// meantBy gives a command the words of other tools that mean it; who types one
// is told of it.
func meantBy(cmd *cobra.Command, words ...string) *cobra.Command {
	cmd.SuggestFor = append(cmd.SuggestFor, words...)
	return cmd
}

func globalFlags(cmd *cobra.Command, f *factory.Factory) {
	flags := cmd.PersistentFlags()
	flags.StringVarP(&f.EnvName, "env", "e", "local", "`name` of the environment")
	flags.StringVar(&f.ConfigPath, "config", "", "configuration `file` (default: the nearest gmctl.yaml)")
	f.LogFormat = logText
	flags.Var(logFormat{&f.LogFormat}, "log-format", "`format` of status lines: text or json")

	// Completion of a flag cannot fail to be registered: the flags are above.
	_ = cmd.RegisterFlagCompletionFunc("env", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		cfg, err := f.Config()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.Sorted(maps.Keys(cfg.Environments)), cobra.ShellCompDirectiveNoFileComp
	})
	_ = cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{logText, logJSON}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkPersistentFlagFilename("config", "yaml", "yml")
}
