package players

import (
	"context"
	"fmt"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/confirm"
	"github.com/gamemetrics/gmctl/internal/cli/database"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

type eraseOptions struct {
	IO     *iostreams.IOStreams
	Open   database.Open
	Who    func() string
	Player string
	Yes    bool
	Output render.Format
}

func newEraseCommand(f *factory.Factory, open database.Open) *cobra.Command {
	opts := &eraseOptions{IO: f.IO, Open: open, Who: who}
	cmd := &cobra.Command{
		Use:   "erase ID",
		Short: "Erase all that is stored of a player, and tell downstream",
		Long: `Erase what is stored of a player. First have the game stop sending its events:
those that come afterwards are stored as any other.

What happens, and when the data is gone:

  PostgreSQL          The player's events and rejected events are deleted now, some
                      hundred at a time. Events that were not published yet never
                      will be. The disk's blocks are used again after a VACUUM, and
                      backups hold the data until they expire: after a restore
                      erase the players of the table erasures again.
  player.events.raw   Gets a tombstone: the player as key, and no value. It deletes
                      nothing by itself, the topic is not compacted. Its records go
                      with its retention: 7 days after they were received, unless
                      you have chosen otherwise.
  dlq.events          Gets nothing. Its records go after 30 days in the same way.
  player.erasures     Gets a record that says up to when what was received of the
                      player is erased. Whoever keeps copies follows this topic: it
                      is compacted, so that also a consumer made later sees it.

The erasure, with the player's id, stays in the table erasures: it is the proof
that it was done, and what a restored backup is cleaned by. It is published exactly
once, by the relay. A command that was killed goes on where it was when it is run
again.`,
		Example: `  gmctl players erase player-7
  gmctl players erase player-7 --yes -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Player = args[0]
			return runErase(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func who() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

func runErase(ctx context.Context, opts *eraseOptions) error {
	if opts.Player == "" {
		return &problem.Error{What: "there is no player to erase", Next: "give the id of one", Kind: problem.Usage}
	}
	pool, err := opts.Open(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	players := postgres.NewPlayers(pool)
	held, err := players.Holdings(ctx, opts.Player)
	if err != nil {
		return err
	}
	fmt.Fprintf(opts.IO.Err, "of %s go %s and %s\n", opts.IO.Paint(iostreams.Bold, opts.Player),
		humanize.Plural(int(held.Events), "event"), humanize.Plural(int(held.Letters), "rejected event"))
	if !opts.Yes {
		if err := confirm.Typed(ctx, opts.IO, "erase the player", opts.Player); err != nil {
			return err
		}
	}
	erasure, err := players.Begin(ctx, opts.Player, opts.Who())
	if err != nil {
		return err
	}
	if erasure.Resumed {
		fmt.Fprintf(opts.IO.Err, "going on with the erasure that %s began at %s\n", erasure.RequestedBy, erasure.RequestedAt.Format("2006-01-02 15:04:05Z07:00"))
	}
	told, err := players.Erase(ctx, erasure, func(int64) {})
	if err != nil {
		return unfinished(ctx, err)
	}
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "Erasure", told)
	}
	fmt.Fprintf(opts.IO.Err, "%s erased %s; the relay tells downstream (%s)\n", opts.IO.Paint(iostreams.Green, "✓"), humanize.Plural(int(told.Events), "event"), told.ErasureID)
	return nil
}

// unfinished says what to do about an erasure that did not come to its end.
func unfinished(ctx context.Context, err error) error {
	p := &problem.Error{What: "the erasure is not complete", Cause: err, Next: "run the command again: it goes on where it was"}
	if ctx.Err() != nil {
		p.Kind = problem.Cancelled
	}
	return p
}
