package dlq

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/events/service"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka/deadletters"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
)

type replayOptions struct {
	options
	Service func(context.Context) (service.Endpoint, error)
	File    string
}

func newReplayCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &replayOptions{options: options{IO: f.IO, Kafka: source, Now: time.Now}}
	var target service.Target
	cmd := &cobra.Command{
		Use:   "replay [LETTER...]",
		Short: "Send the events of dead letters through the ingestion API again",
		Long: `Send the events of dead letters through the ingestion API again, as they came, so
that its ordinary rules hold. An event keeps its id, and is stored once however
often it is replayed; one that had none gets an id that is made of its letter's
place. What is rejected again stays open, and makes no second letter.

With --file a corrected event is sent in place of the one letter that is named.

An event that the relay gave up is stored in PostgreSQL already: sending it again
would change nothing, so its letter is not replayed. Discard it when it is dealt with.

A service that asks for an API key gets that of $` + service.KeyVariable + `; on AWS, without
that variable, the environment's own. An event is of the game of the key that it is
sent with: letters of a game are replayed with a key of it, and not together with
those of another one.`,
		Example: `  gmctl dlq replay 2/17
  gmctl dlq replay --reason schema --since 24h
  GMCTL_API_KEY=gmk_… gmctl dlq replay --game mygame
  gmctl dlq replay 2/17 --file corrected.json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Choice.ids = args
			opts.Service = target.Resolver(f)
			return runReplay(cmd.Context(), opts)
		},
	}
	opts.Choice.flags(cmd)
	cmd.Flags().BoolVar(&opts.Choice.all, "all", false, "all that are open")
	cmd.Flags().StringVarP(&opts.File, "file", "f", "", "send the event in this `file` in place of the letter's")
	target.Flags(cmd)
	return cmd
}

func runReplay(ctx context.Context, opts *replayOptions) error {
	if err := opts.Choice.somewhat(); err != nil {
		return err
	}
	if err := opts.Choice.complete(opts.Now()); err != nil {
		return err
	}
	var corrected []byte
	if opts.File != "" {
		if len(opts.Choice.ids) != 1 {
			return usage("--file corrects one letter", "name the one: gmctl dlq replay PARTITION/OFFSET --file FILE")
		}
		var err error
		if corrected, err = os.ReadFile(opts.File); err != nil {
			return &problem.Error{What: opts.File + " cannot be read", Cause: err, Next: "check the path given with --file", Kind: problem.Usage}
		}
	}
	to, err := opts.Service(ctx)
	if err != nil {
		return err
	}
	queue, err := connect(ctx, opts.Kafka)
	if err != nil {
		return err
	}
	defer queue.Close()
	letters, err := opts.Choice.letters(ctx, queue)
	if err != nil {
		return err
	}
	if err := oneGame(letters, to); err != nil {
		return err
	}
	mine, err := queue.Take(ctx, letters)
	if err != nil {
		return err
	}
	r := &replay{io: opts.IO, queue: queue, sender: newSender(to), corrected: corrected}
	return r.run(ctx, mine, len(letters)-len(mine))
}

// oneGame refuses letters whose events would not be of their game any more: they
// are of that of the key they are sent with.
func oneGame(letters []deadletters.Letter, to service.Endpoint) error {
	var games []string
	for _, l := range letters {
		if l.Game != "" && l.Source != "relay" {
			games = append(games, l.Game)
		}
	}
	slices.Sort(games)
	games = slices.Compact(games)
	if len(games) > 1 {
		return &problem.Error{
			What: "the letters are of several games: " + strings.Join(games, ", "),
			Next: "replay those of one game at a time, such as --game " + games[0] + ", with an API key of it in $" + service.KeyVariable,
		}
	}
	own := os.Getenv(service.KeyVariable) != ""
	if len(games) == 1 && !own && (games[0] != postgres.PlatformKeyGame || to.Key.Reveal() == "") {
		return &problem.Error{
			What: "the letters are of the game " + games[0] + ", and there is no API key of it to send their events with",
			Next: "put one into $" + service.KeyVariable + "; gmctl keys create " + games[0] + " makes one",
		}
	}
	return nil
}

// replay is the replay of letters that were taken.
type replay struct {
	io        *iostreams.IOStreams
	queue     *deadletters.Queue
	sender    *sender
	corrected []byte
	stored    int
	rejected  int
}

func (r *replay) run(ctx context.Context, letters []deadletters.Letter, others int) error {
	for i, l := range letters {
		if err := r.one(ctx, l); err != nil {
			r.queue.Leave(ctx, letters[i:])
			return err
		}
	}
	fmt.Fprintf(r.io.Err, "%s replayed %s\n", r.io.Paint(iostreams.Green, "✓"), humanize.Plural(r.stored, "letter"))
	switch {
	case r.rejected > 0:
		return &problem.Error{What: humanize.Plural(r.rejected, "letter") + " stayed open", Next: "look at one with gmctl dlq show, correct it (replay --file) or discard it"}
	case others > 0:
		return taken(others)
	}
	return nil
}

// one sends the event of one letter. An error ends the replay: the service cannot
// take any event now.
func (r *replay) one(ctx context.Context, l deadletters.Letter) error {
	body, reason := bodyOf(l, r.corrected)
	if reason == "" {
		var err error
		if reason, err = r.sender.send(ctx, l, body); err != nil {
			return err
		}
	}
	if reason != "" {
		r.rejected++
		fmt.Fprintf(r.io.Err, "%s %s: %s\n", r.io.Paint(iostreams.Red, "✗"), l.ID, reason)
		return r.queue.Settle(ctx, l, deadletters.Open)
	}
	r.stored++
	return r.queue.Settle(ctx, l, deadletters.Replayed)
}
