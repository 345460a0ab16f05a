package keys

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/ratelimit"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/schemas"
)

type listOptions struct {
	*options
	All    bool
	Output render.Format
}

func newListCommand(shared *options) *cobra.Command {
	opts := &listOptions{options: shared}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List API keys, with when each was last used",
		Example: `  gmctl keys list
  gmctl keys list --all -o json | jq -r '.data[] | select(.lastUsed == null) | .id'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), opts) },
	}
	cmd.Flags().BoolVar(&opts.All, "all", false, "also list keys that are expired or revoked")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

// document is a key as -o json prints it.
type document struct {
	ID                 string       `json:"id"`
	Key                string       `json:"key,omitempty"` // its text, when it is made
	Game               string       `json:"game,omitempty"`
	Name               string       `json:"name,omitempty"`
	State              apikey.State `json:"state"`
	Admin              bool         `json:"admin"`
	CreatedAt          time.Time    `json:"createdAt"`
	ExpiresAt          *time.Time   `json:"expiresAt,omitempty"`
	RevokedAt          *time.Time   `json:"revokedAt,omitempty"`
	LastUsed           *string      `json:"lastUsed,omitempty"` // a day
	EventsPerSecond    float64      `json:"eventsPerSecond,omitempty"`
	Burst              int          `json:"burst,omitempty"`
	PlayerEventsPerSec float64      `json:"playerEventsPerSecond,omitempty"`
	PlayerBurst        int          `json:"playerBurst,omitempty"`
	Origins            []string     `json:"origins"`
	SelfTraffic        bool         `json:"selfTraffic"`
	SchemaMode         schemas.Mode `json:"schemaMode"`
	DeadLetters        bool         `json:"deadLetters"`
}

func newDocument(k apikey.Key, now time.Time) document {
	d := document{
		ID: k.ID, Game: k.Game, Name: k.Name, State: k.State(now), Admin: k.Admin, CreatedAt: k.CreatedAt.UTC(),
		ExpiresAt: instant(k.ExpiresAt), RevokedAt: instant(k.RevokedAt),
		EventsPerSecond: k.Rate.PerSecond, Burst: k.Rate.Burst, PlayerEventsPerSec: k.PlayerRate.PerSecond, PlayerBurst: k.PlayerRate.Burst,
		Origins: render.List(k.Origins), SelfTraffic: k.SelfTraffic, SchemaMode: k.SchemaMode, DeadLetters: k.DeadLetters,
	}
	if !k.LastUsed.IsZero() {
		day := k.LastUsed.Format(time.DateOnly)
		d.LastUsed = &day
	}
	return d
}

func instant(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

func runList(ctx context.Context, opts *listOptions) error {
	var all []apikey.Key
	err := opts.With(ctx, func(store Store) (err error) {
		all, err = store.Keys(ctx)
		return err
	})
	if err != nil {
		return err
	}
	now := opts.Now()
	shown := []apikey.Key{}
	for _, key := range all {
		if opts.All || key.State(now) == apikey.Valid {
			shown = append(shown, key)
		}
	}
	if opts.Output != render.Table {
		documents := []document{}
		for _, key := range shown {
			documents = append(documents, newDocument(key, now))
		}
		return render.Document(opts.IO.Out, opts.Output, "APIKeys", documents)
	}
	table := render.NewTable(opts.IO, "ID", "GAME", "NAME", "STATE", "LAST USED", "EVENTS/S", "OF A PLAYER", "SCHEMAS", "EXPIRES")
	table.AlignRight(5, 6)
	for _, key := range shown {
		table.Row(key.ID, gameOf(key), cmp.Or(key.Name, "-"), string(key.State(now)), day(key.LastUsed, "never"),
			rate(key.Rate), rate(key.PlayerRate), string(key.SchemaMode), day(key.ExpiresAt, "never"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	switch hidden := len(all) - len(shown); {
	case len(all) == 0:
		fmt.Fprintln(opts.IO.Err, "There are no API keys. Make one: gmctl keys create GAME")
	case hidden > 0:
		fmt.Fprintln(opts.IO.Err, opts.IO.Paint(iostreams.Faint, fmt.Sprintf("%d expired or revoked; see them with --all", hidden)))
	}
	return nil
}

func gameOf(key apikey.Key) string {
	switch {
	case key.Game == "":
		return "(admin)"
	case key.Admin:
		return key.Game + " (admin)"
	}
	return key.Game
}

func day(at time.Time, never string) string {
	if at.IsZero() {
		return never
	}
	return at.UTC().Format(time.DateOnly)
}

func rate(r ratelimit.Rate) string {
	if !r.Limited() {
		return "-"
	}
	return fmt.Sprintf("%g", r.PerSecond)
}
