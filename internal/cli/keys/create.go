package keys

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/cli/duration"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/schemas"
)

type createOptions struct {
	*options
	Game       string
	Name       string
	Expires    time.Duration
	Settings   apikey.Settings
	SchemaMode string
	Output     render.Format
}

func newCreateCommand(shared *options) *cobra.Command {
	opts := &createOptions{options: shared}
	cmd := &cobra.Command{
		Use:   "create [GAME]",
		Short: "Make an API key, and print it this once",
		Long: `Make an API key for a game, and print it on stdout: this once, it is kept nowhere.
A key with --admin may also read what is stored: its game's events, or with no
GAME those of all games.`,
		Example: `  gmctl keys create mygame
  gmctl keys create mygame --name "web" --origin https://play.example --player-rate 20
  gmctl keys create mygame --expires 90d -o json | jq -r .data.key
  gmctl keys create --admin --name "support"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Game = strings.Join(args, "")
			return runCreate(cmd.Context(), opts)
		},
	}
	flags, s := cmd.Flags(), &opts.Settings
	flags.StringVar(&opts.Name, "name", "", "`words` on what it is for")
	duration.Var(flags, &opts.Expires, "expires", 0, "how long it is valid, such as 90d (default: until it is revoked)")
	flags.BoolVar(&s.Admin, "admin", false, "it may read what is stored")
	flags.Float64Var(&s.Rate.PerSecond, "rate", 0, "`events` a second that it may bring (default: what the service says)")
	flags.IntVar(&s.Rate.Burst, "burst", 0, "`events` that it may bring at once (default: those of one second)")
	flags.Float64Var(&s.PlayerRate.PerSecond, "player-rate", 0, "`events` a second of each player (default: what the service says)")
	flags.IntVar(&s.PlayerRate.Burst, "player-burst", 0, "`events` of a player at once (default: those of one second)")
	flags.StringSliceVar(&s.Origins, "origin", nil, "`origin` of the web pages that may use it, such as https://play.example; may be repeated")
	flags.BoolVar(&s.SelfTraffic, "self-traffic", false, "mark its events as the studio's own traffic")
	flags.StringVar(&opts.SchemaMode, "schema-mode", string(schemas.Strict), "how strictly schemas hold for its events at most: off, report or strict (as each `mode` says)")
	flags.BoolVar(&s.DeadLetters, "dead-letters", false, "keep its rejected events in dlq.events")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

// validate refuses what cannot be meant.
func (o *createOptions) validate() error {
	usage := func(what, next string) error { return &problem.Error{What: what, Next: next, Kind: problem.Usage} }
	o.Settings.SchemaMode = schemas.Mode(o.SchemaMode)
	if !o.Settings.SchemaMode.Valid() {
		return usage(fmt.Sprintf("there is no schema mode %q", o.SchemaMode), "choose off, report or strict")
	}
	if o.Game == "" && !o.Settings.Admin {
		return usage("a key needs the game whose events it brings", "gmctl keys create GAME; a key that reads the events of all games: gmctl keys create --admin")
	}
	if o.Game != "" && !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString(o.Game) {
		return usage(fmt.Sprintf("%q is no name for a game", o.Game), "use up to 64 letters, digits, '.', '_' and '-', and begin with a letter or a digit")
	}
	if s := o.Settings; s.Rate.PerSecond < 0 || s.Rate.Burst < 0 || s.PlayerRate.PerSecond < 0 || s.PlayerRate.Burst < 0 {
		return usage("a rate cannot be negative", "leave it out for what the service says")
	}
	for _, origin := range o.Settings.Origins {
		if !regexp.MustCompile(`^[a-z][a-z0-9+.-]*://[^/?#@\s]+$`).MatchString(origin) {
			return usage(fmt.Sprintf("%q is no origin of web pages", origin), "write scheme and host as browsers do: https://play.example")
		}
	}
	return nil
}

func runCreate(ctx context.Context, opts *createOptions) error {
	if err := opts.validate(); err != nil {
		return err
	}
	secret := apikey.New()
	now := opts.Now().UTC().Truncate(time.Microsecond)
	key := apikey.Key{
		ID: secret.Hash().ID(), Hash: secret.Hash(), Game: opts.Game, Name: opts.Name, CreatedAt: now, Settings: opts.Settings,
	}
	if opts.Expires > 0 {
		key.ExpiresAt = now.Add(opts.Expires)
	}
	if err := opts.With(ctx, func(store Store) error { return store.Create(ctx, key) }); err != nil {
		return err
	}
	return opts.tell(key, secret, opts.Output, "The key "+key.ID+" is made. It is shown this once; keep it where secrets are kept.")
}

// tell prints a new key: its text alone on stdout, so that it can be piped on.
func (o *options) tell(key apikey.Key, secret apikey.Secret, format render.Format, status string) error {
	if format != render.Table {
		document := newDocument(key, o.Now())
		document.Key = secret.Reveal()
		return render.Document(o.IO.Out, format, "APIKey", document)
	}
	fmt.Fprintln(o.IO.Err, status)
	fmt.Fprintln(o.IO.Out, secret.Reveal())
	return nil
}
