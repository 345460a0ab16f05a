package topics

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/duration"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/topics"
)

type createOptions struct {
	IO    *iostreams.IOStreams
	Kafka connection.Source
	Names []string

	Partitions  int32
	Replication int16
	Retention   time.Duration
	Compacted   bool
	Settings    []string // name=value
	DryRun      bool
	Output      render.Format
}

// Outcome is what became of a topic that was to be created.
type Outcome struct {
	Topic  string             `json:"topic"`
	Result string             `json:"result"` // created, would-create, unchanged, differs
	Drift  []kafka.Difference `json:"drift"`
}

func newCreateCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &createOptions{IO: f.IO, Kafka: source}
	cmd := &cobra.Command{
		Use:   "create [TOPIC...]",
		Short: "Create what the platform declares, or the topics named",
		Long: `Without a name, create those of the platform's topics that are missing, with
the partitions and settings it declares. Topics that exist are left as they
are, and what differs from the declaration is shown: more partitions would
move keys to other partitions, so that is for you to decide.

With names, create those topics; one that exists is an error.`,
		Example: `  gmctl kafka topics create
  gmctl kafka topics create --dry-run
  gmctl kafka topics create scratch --partitions 3 --retention 24h
  gmctl kafka topics create latest --compacted --config segment.ms=60000`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Names = args
			return runCreate(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.Int32Var(&opts.Partitions, "partitions", -1, "`number` of partitions of the topics named (default: the cluster's)")
	flags.Int16Var(&opts.Replication, "replication", kafka.BrokerDefaultReplication, "`number` of replicas of each partition (default: the cluster's)")
	duration.Var(flags, &opts.Retention, "retention", 0, "how long records of the topics named are kept, a `duration` such as 7d (default: the cluster's)")
	flags.BoolVar(&opts.Compacted, "compacted", false, "keep the newest record of each key instead of the newest records")
	flags.StringArrayVar(&opts.Settings, "config", nil, "further setting of the topics named, `name=value`; repeatable")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "say what would be created, and create nothing")
	flags.Lookup("partitions").DefValue, flags.Lookup("replication").DefValue = "", ""
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func runCreate(ctx context.Context, opts *createOptions) error {
	settings, err := opts.settings()
	if err != nil {
		return err
	}
	session, err := opts.Kafka.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	var outcomes []Outcome
	if len(opts.Names) > 0 {
		outcomes, err = createNamed(ctx, session, opts, settings)
	} else {
		outcomes, err = createDeclared(ctx, session, opts)
	}
	if printErr := printOutcomes(opts, outcomes); printErr != nil {
		return printErr
	}
	return session.Explain(err)
}

// settings checks the flags and returns the settings of topics that are named.
func (o *createOptions) settings() (map[string]string, error) {
	if len(o.Names) == 0 && (o.Partitions != -1 || o.Retention != 0 || o.Compacted || len(o.Settings) > 0) {
		return nil, &problem.Error{
			What: "--partitions, --retention, --compacted and --config are for topics that are named", Kind: problem.Usage,
			Next: "name a topic, or leave them out: the platform declares those of its own topics",
		}
	}
	settings := make(map[string]string)
	if o.Retention > 0 {
		settings["retention.ms"] = strconv.FormatInt(o.Retention.Milliseconds(), 10)
	}
	if o.Compacted {
		settings["cleanup.policy"] = "compact"
	}
	for _, text := range o.Settings {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, &problem.Error{What: fmt.Sprintf("--config %q is not name=value", text), Next: "write it as --config retention.ms=86400000", Kind: problem.Usage}
		}
		settings[name] = value
	}
	return settings, nil
}

func createNamed(ctx context.Context, session *kafka.Session, opts *createOptions, settings map[string]string) ([]Outcome, error) {
	var wanted []kafka.NewTopic
	for _, name := range opts.Names {
		wanted = append(wanted, kafka.NewTopic{Name: name, Partitions: opts.Partitions, Replication: opts.Replication, Configs: settings})
	}
	created, err := kafka.CreateTopics(ctx, session.Client, wanted, opts.DryRun)
	var outcomes []Outcome
	for _, name := range created {
		outcomes = append(outcomes, Outcome{Topic: name, Result: opts.made(), Drift: []kafka.Difference{}})
	}
	if err != nil && len(opts.Names) == 1 {
		err = session.ExplainTopic("topic "+opts.Names[0]+" could not be created", err, opts.Names[0])
	}
	return outcomes, err
}

func (o *createOptions) made() string {
	if o.DryRun {
		return "would-create"
	}
	return "created"
}

func createDeclared(ctx context.Context, session *kafka.Session, opts *createOptions) ([]Outcome, error) {
	declared := topics.All()
	missing, err := kafka.MissingTopics(ctx, session.Client, declared)
	if err != nil {
		return nil, err
	}
	drift, err := kafka.Drift(ctx, session.Client, declared)
	if err != nil {
		return nil, err
	}
	made := make(map[string]bool)
	for _, t := range missing {
		made[t.Name] = opts.DryRun
	}
	var createErr error
	if !opts.DryRun {
		var created []string
		created, createErr = kafka.EnsureTopics(ctx, session.Client, missing, opts.Replication)
		for _, name := range created {
			made[name] = true
		}
	}
	var outcomes []Outcome
	for _, t := range declared {
		outcome := Outcome{Topic: t.Name, Result: "unchanged", Drift: []kafka.Difference{}}
		for _, d := range drift {
			if d.Topic == t.Name {
				outcome.Result, outcome.Drift = "differs", append(outcome.Drift, d)
			}
		}
		if wasMissing := slices.ContainsFunc(missing, func(m topics.Topic) bool { return m.Name == t.Name }); wasMissing {
			if !made[t.Name] {
				continue // the error says why
			}
			outcome.Result = opts.made()
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes, createErr
}

func printOutcomes(opts *createOptions, outcomes []Outcome) error {
	if opts.Output != render.Table {
		if outcomes == nil {
			outcomes = []Outcome{}
		}
		return render.Document(opts.IO.Out, opts.Output, "KafkaTopicCreation", outcomes)
	}
	table := render.NewTable(opts.IO, "TOPIC", "RESULT", "DIFFERENCE FROM WHAT IS DECLARED")
	for _, o := range outcomes {
		var differences []string
		for _, d := range o.Drift {
			differences = append(differences, fmt.Sprintf("%s is %s, declared %s", d.Setting, d.Actual, d.Wanted))
		}
		table.Row(o.Topic, paintResult(table.Paint, o.Result), strings.Join(differences, "; "))
	}
	return table.Flush()
}

func paintResult(paint render.Painter, result string) string {
	switch result {
	case "created", "would-create":
		return paint(iostreams.Green, result)
	case "differs":
		return paint(iostreams.Yellow, result)
	}
	return paint(iostreams.Faint, result)
}
