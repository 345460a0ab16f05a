// Package kafka is `gmctl kafka`: the daily questions to a Kafka cluster, of
// an environment or any other.
package kafka

import (
	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/groups"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/lag"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/produce"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/tail"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/test"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/topics"
)

// NewCommand returns `gmctl kafka` with its subcommands.
func NewCommand(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kafka",
		Short: "Test and inspect Kafka: topics, records, consumer groups",
		Long: `Work with the Kafka of the environment, or with any other that --brokers names.

The brokers are those of --brokers, else of $` + connection.BrokersVariable + `, else of the
environment that --env names. A password is read from a file or from
$` + connection.PasswordVariable + `, never from the command line.`,
		Example: `  gmctl kafka test
  gmctl kafka topics list
  gmctl kafka tail player.events.raw --where eventType=login
  gmctl kafka lag --brokers kafka:9092`,
	}
	source := connection.Flags(cmd, f)
	cmd.AddCommand(
		groups.NewCommand(f, source),
		lag.NewCommand(f, source),
		produce.NewCommand(f, source),
		tail.NewCommand(f, source),
		test.NewCommand(f, source),
		topics.NewCommand(f, source),
	)
	return cmd
}
