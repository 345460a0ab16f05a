//go:build unix

// Command chaos does to the platform, while it is under load, what may happen to
// it, and audits that nothing was lost: every event that was answered with success
// is in PostgreSQL and, exactly once for a read_committed consumer, in Kafka, in
// the order of its player.
//
//   - local kills -9 one of the supervisor, PostgreSQL and a `gmctl up` at work, at
//     a random moment, and brings the environment up again. The audit is at the end.
//   - pipeline runs ingestion and relay as processes, two of each, before a durable
//     PostgreSQL and three Apache Kafka brokers: package pipeline has the faults.
//     The audit follows each of them.
//
// full is both, and a transaction that stays open for ten minutes; small is what
// continuous integration has time for. The last line printed of each is a JSON object
// with the audit; the exit code is 1 where it does not hold. -seed repeats the choices of
// a run.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/bench/chaos/pipeline"
)

// The rounds of each form, where no other number is asked for.
const (
	fullLocal, fullPipeline = 200, 500
	smallLocal              = 15
	alone                   = 20
)

func main() {
	var o options
	var only string
	p := pipeline.Options{Log: os.Stderr}
	name := flag.String("name", "full", "what to try: full, small, local or pipeline")
	flag.StringVar(&o.gmctl, "gmctl", "bin/gmctl", "the gmctl to try")
	rounds := flag.Int("rounds", 0, "faults; 0: as many as is usual")
	flag.Int64Var(&o.seed, "seed", time.Now().UnixNano(), "of the random choices")
	flag.IntVar(&o.senders, "senders", 8, "players that send at the same time")
	flag.BoolVar(&o.keep, "keep", false, "leave the environment's files for a look")
	flag.StringVar(&only, "only", "", "pipeline: faults to choose from, separated by commas; all of them by default")
	flag.DurationVar(&p.Hold, "hold", 3*time.Second, "pipeline: how long a transaction is held open")
	flag.IntVar(&p.Crowd, "crowd", 10_000, "pipeline: connections at the same time")
	flag.Parse()
	p.Gmctl, p.Seed, p.Senders, p.Keep = o.gmctl, o.seed, o.senders, o.keep
	if only != "" {
		p.Only = strings.Split(only, ",")
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	local := func(rounds int) bool {
		o.rounds = rounds
		result, err := run(ctx, o)
		return tell(result, result.Holds, err)
	}
	faults := func(p pipeline.Options, rounds int) bool {
		p.Rounds = rounds
		result, err := pipeline.Run(ctx, p)
		return tell(result, result.Holds, err)
	}
	ok := true
	switch *name {
	case "full":
		ok = local(cmp.Or(*rounds, fullLocal))
		ok = faults(p, cmp.Or(*rounds, fullPipeline)) && ok
		p.Only, p.Hold = []string{pipeline.TransactionHeld}, 10*time.Minute
		ok = faults(p, 1) && ok
	case "small":
		p.Only = pipeline.Small()
		ok = local(cmp.Or(*rounds, smallLocal))
		ok = faults(p, cmp.Or(*rounds, len(p.Only))) && ok
	case "local":
		ok = local(cmp.Or(*rounds, alone))
	case "pipeline":
		ok = faults(p, cmp.Or(*rounds, alone))
	default:
		fmt.Fprintf(os.Stderr, "chaos: there is no %q, only full, small, local and pipeline\n", *name)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// tell prints a result, and reports whether it is good.
func tell(result any, holds bool, err error) bool {
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	encoded, encodeErr := json.Marshal(result)
	if encodeErr != nil {
		fmt.Fprintln(os.Stderr, "chaos:", encodeErr)
		return false
	}
	fmt.Println(string(encoded))
	return holds && err == nil
}
