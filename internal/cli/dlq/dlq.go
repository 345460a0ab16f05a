// Package dlq is `gmctl dlq`: the events that could not be handled, and what is
// done about them.
package dlq

import (
	"context"
	"fmt"
	"os/user"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/kafka/deadletters"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/internal/when"
)

// NewCommand returns `gmctl dlq` with its subcommands.
func NewCommand(f *factory.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "List, show, replay and discard dead letters: events that could not be handled",
		Long: `Work on the topic ` + topics.DeadLetter + `: events that the ingestion service rejected and
stored events that the relay could not publish. Rejected events are kept where they
came with an API key that says so (gmctl keys create --dead-letters), or without a
key and the service says so (gmctl serve ingestion --dead-letters). Each letter has
the reason and the original bytes.

A letter is named by its place, PARTITION/OFFSET. What was done about it is kept in
the compacted topic ` + topics.DeadLetterState + `: two people do not replay the same letter.

The brokers are those of --brokers, else of $` + connection.BrokersVariable + `, else of the
environment that --env names.`,
		Example: `  gmctl dlq list
  gmctl dlq show 2/17
  gmctl dlq replay --reason schema
  gmctl dlq discard 2/17`,
	}
	source := connection.Flags(cmd, f)
	cmd.AddCommand(
		newDiscardCommand(f, source),
		newListCommand(f, source),
		newReplayCommand(f, source),
		newShowCommand(f, source),
	)
	return cmd
}

// connect opens the dead letters that the command line names.
func connect(ctx context.Context, source connection.Source) (*deadletters.Queue, error) {
	cfg, err := source(ctx)
	if err != nil {
		return nil, err
	}
	by := "unknown"
	if u, err := user.Current(); err == nil && u.Username != "" {
		by = u.Username
	}
	return deadletters.Connect(ctx, cfg, by, time.Now)
}

// choice is which letters a command is about: those that are named, or those that
// its flags choose.
type choice struct {
	filter deadletters.Filter
	since  string
	all    bool
	ids    []string
}

func (c *choice) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.filter.Reason, "reason", "", "only letters with this `reason`, such as schema or record-too-large")
	flags.StringVar(&c.filter.Source, "source", "", "only letters of this `source`: ingestion or relay")
	flags.StringVar(&c.filter.Game, "game", "", "only letters of the game with this `name`: whose API key their events came with")
	flags.StringVar(&c.filter.Player, "player", "", "only letters of this player's `id`")
	flags.StringVar(&c.filter.EventID, "event", "", "only letters of the event with this `id`")
	flags.StringVar(&c.since, "since", "", "only letters since this `time`: 24h, 7d, 2026-03-01 or RFC 3339")
	flags.BoolVar(&c.filter.Tests, "with-tests", false, "also letters of events that a test sent")
}

func (c *choice) complete(now time.Time) error {
	if c.since == "" {
		return nil
	}
	at, ok := when.Past(c.since, now)
	if !ok {
		return usage(fmt.Sprintf("%q is no time to look since", c.since), "give --since "+when.Forms)
	}
	c.filter.Since = at
	return nil
}

// letters returns the chosen letters. Of those that are named each must be there.
func (c *choice) letters(ctx context.Context, queue *deadletters.Queue) ([]deadletters.Letter, error) {
	if len(c.ids) == 0 {
		return queue.List(ctx, c.filter)
	}
	chosen, err := queue.List(ctx, deadletters.Filter{IDs: c.ids, Done: true, Tests: true})
	if err != nil {
		return nil, err
	}
	for _, id := range c.ids {
		if !slices.ContainsFunc(chosen, func(l deadletters.Letter) bool { return l.ID == id }) {
			return nil, &problem.Error{What: "there is no dead letter " + id, Next: "see which there are: gmctl dlq list --all"}
		}
	}
	return chosen, nil
}

// somewhat refuses a command that is about no letter in particular.
func (c *choice) somewhat() error {
	f := c.filter
	filtered := f.Reason != "" || f.Source != "" || f.Game != "" || f.Player != "" || f.EventID != "" || c.since != ""
	switch {
	case len(c.ids) == 0 && !filtered && !c.all:
		return usage("no letter is named", "name some by PARTITION/OFFSET, choose some with --reason, --source, --game, --player, --event or --since, or give --all")
	case len(c.ids) > 0 && (filtered || c.all):
		return usage("letters are named and chosen by flags", "give the one or the other")
	}
	return nil
}

func usage(what, next string) error {
	return &problem.Error{What: what, Next: next, Kind: problem.Usage}
}
