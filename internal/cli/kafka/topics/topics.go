// Package topics is `gmctl kafka topics`.
package topics

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// NewCommand returns `gmctl kafka topics` with its subcommands.
func NewCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "topics",
		Aliases: []string{"topic"},
		Short:   "List, describe, create and delete topics",
		Long:    "List, describe, create and delete topics.",
		Example: `  gmctl kafka topics list
  gmctl kafka topics describe player.events.raw
  gmctl kafka topics create`,
	}
	cmd.AddCommand(
		newListCommand(f, source),
		newDescribeCommand(f, source),
		newCreateCommand(f, source),
		newDeleteCommand(f, source),
	)
	return cmd
}

// Summary is a topic in a list.
type Summary struct {
	Topic       string `json:"topic"`
	Description string `json:"description,omitempty"` // of those the platform declares
	Declared    bool   `json:"declared"`              // by the platform
	Internal    bool   `json:"internal"`
	Partitions  int    `json:"partitions"`
	Replicas    int    `json:"replicas"` // of each partition
	// Records is the distance from the first to the end offset, over all
	// partitions: a transaction's markers count too, and compaction leaves gaps.
	Records int64  `json:"records"`
	State   string `json:"state"` // ok, under-replicated, no-leader
}

// isInternal is a topic that is bookkeeping, of Kafka or of the platform.
func isInternal(t kafka.Topic) bool {
	declared := declaration(t.Name)
	return t.Internal || strings.HasPrefix(t.Name, "__") || (declared != nil && declared.Internal)
}

// declaration is what the platform says of the topic; nil: nothing.
func declaration(name string) *topics.Topic {
	all := topics.All()
	if i := slices.IndexFunc(all, func(t topics.Topic) bool { return t.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

func stateOf(t kafka.Topic) string {
	state := "ok"
	for _, p := range t.Partitions {
		if p.Leader < 0 {
			return "no-leader"
		}
		if len(p.ISR) < len(p.Replicas) {
			state = "under-replicated"
		}
	}
	return state
}

func paintState(paint render.Painter, state string) string {
	switch state {
	case "ok":
		return paint(iostreams.Green, state)
	case "no-leader":
		return paint(iostreams.Red, state)
	}
	return paint(iostreams.Yellow, state)
}

func summarize(t kafka.Topic, records int64) Summary {
	s := Summary{Topic: t.Name, Internal: isInternal(t), Partitions: len(t.Partitions), Records: records, State: stateOf(t)}
	if declared := declaration(t.Name); declared != nil {
		s.Declared, s.Description = true, declared.Description
	}
	if len(t.Partitions) > 0 {
		s.Replicas = len(t.Partitions[0].Replicas)
	}
	return s
}

// bounds are the first and the end offset of partitions that have a leader.
type bounds struct{ start, end map[string]map[int32]int64 }

func fetchBounds(ctx context.Context, session *kafka.Session, all ...kafka.Topic) (bounds, error) {
	led := kafka.LedPartitions(all...)
	start, err := kafka.ListOffsets(ctx, session.Client, led, kafka.Earliest, kafka.ReadUncommitted)
	if err != nil {
		return bounds{}, err
	}
	end, err := kafka.EndOffsets(ctx, session.Client, led, kafka.ReadUncommitted)
	return bounds{start, end}, err
}

// records is how many offsets lie between the bounds of the whole topic.
func (b bounds) records(topic string) int64 {
	var n int64
	for id, end := range b.end[topic] {
		n += end - b.start[topic][id]
	}
	return n
}

func nodes(ids []int32) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = fmt.Sprint(id)
	}
	return strings.Join(words, ",")
}

// completeNames completes a topic's name from what the platform declares: a
// completion must not wait for a cluster.
func completeNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, t := range topics.Public() {
		names = append(names, t.Name+"\t"+t.Description)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
