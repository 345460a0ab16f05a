//go:build unix

// Command chaos kills the local platform while it is under load, brings it up
// again with `gmctl up`, and audits at the end that nothing was lost: every
// event that was answered with success is in PostgreSQL and, exactly once for
// a read_committed consumer, in Kafka, in the order of its player.
//
// Each round kills -9 one of the supervisor, PostgreSQL, and a `gmctl up` at
// work, at a random moment. The last line printed is a JSON object with the
// audit; the exit code is 1 where it does not hold. Run it with
// `make chaos ROUNDS=200`, or with -seed to repeat the choices of a run.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.gmctl, "gmctl", "bin/gmctl", "the gmctl to try")
	flag.IntVar(&o.rounds, "rounds", 20, "kills")
	flag.Int64Var(&o.seed, "seed", time.Now().UnixNano(), "of the random choices")
	flag.IntVar(&o.senders, "senders", 8, "players that send at the same time")
	flag.BoolVar(&o.keep, "keep", false, "leave the environment's files for a look")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	audit, err := run(ctx, o)
	if encoded, jsonErr := json.Marshal(audit); jsonErr == nil {
		fmt.Println(string(encoded))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	if !audit.Holds {
		os.Exit(1)
	}
}
