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
// The last line printed of each is a JSON object with the audit; the exit code is 1
// where it does not hold. Run it with `make chaos NAME=pipeline ROUNDS=500`, or with
// -seed to repeat the choices of a run.
package main

import (
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

func main() {
	var o options
	var only string
	p := pipeline.Options{Log: os.Stderr}
	name := flag.String("name", "local", "what to try: local, pipeline or all")
	flag.StringVar(&o.gmctl, "gmctl", "bin/gmctl", "the gmctl to try")
	flag.IntVar(&o.rounds, "rounds", 20, "faults")
	flag.Int64Var(&o.seed, "seed", time.Now().UnixNano(), "of the random choices")
	flag.IntVar(&o.senders, "senders", 8, "players that send at the same time")
	flag.BoolVar(&o.keep, "keep", false, "leave the environment's files for a look")
	flag.StringVar(&only, "only", "", "pipeline: faults to choose from, separated by commas; all of them by default")
	flag.DurationVar(&p.Hold, "hold", 3*time.Second, "pipeline: how long a transaction is held open")
	flag.IntVar(&p.Crowd, "crowd", 2000, "pipeline: connections at the same time")
	flag.Parse()
	p.Gmctl, p.Rounds, p.Seed, p.Senders, p.Keep = o.gmctl, o.rounds, o.seed, o.senders, o.keep
	if only != "" {
		p.Only = strings.Split(only, ",")
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	known, ok := *name == "all", true
	if *name == "local" || *name == "all" {
		result, err := run(ctx, o)
		known, ok = true, tell(result, result.Holds, err) && ok
	}
	if *name == "pipeline" || *name == "all" {
		result, err := pipeline.Run(ctx, p)
		known, ok = true, tell(result, result.Holds, err) && ok
	}
	if !known {
		fmt.Fprintf(os.Stderr, "chaos: there is no %q, only local, pipeline and all\n", *name)
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
