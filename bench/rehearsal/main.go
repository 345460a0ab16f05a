//go:build linux

// Command rehearsal leads gmctl through the whole life of an environment on AWS,
// in a pretended account made of real parts (internal/testenv/rehearsal): init,
// doctor, plan, up, status, a rotation of all passwords, kafka test, load, work with
// the database, logs, upgrade, nodes replace, teardown. After each step it looks at
// the systems themselves, not at what gmctl says of them, and it ends with what it
// proved, the last line as JSON; the exit code is 1 where anything does not hold. Run
// it with `make rehearsal`.
//
// With -story trouble the environment is configured too small for Kafka, begun all
// the same, by two at once, and repaired. With -story chaos it is brought up and
// torn down again and again, killed -kills times in all.
//
// With -kills N in the story of a life, gmctl up and gmctl teardown are each killed
// up to N times at random moments on the way, and must come to the same end. With
// -shell the account is left standing for a person to play with.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/gamemetrics/gmctl/internal/kube"
)

type options struct {
	gmctl      string
	shell      bool
	story      string
	kills      int
	seed       int64
	transcript string
	keep       bool
}

// The stories.
const (
	storyLife    = "life"
	storyTrouble = "trouble"
	storyChaos   = "chaos"
)

func main() {
	var o options
	flag.StringVar(&o.gmctl, "gmctl", "bin/gmctl", "the gmctl to try")
	flag.BoolVar(&o.shell, "shell", false, "start the account, print the environment to source, and stay until Ctrl-C")
	flag.StringVar(&o.story, "story", storyLife, `"life", "trouble": of an environment that is too small, or "chaos": of one that is killed again and again`)
	flag.IntVar(&o.kills, "kills", 0, "how often up, and how often teardown, is killed on the way; in chaos both together")
	flag.Int64Var(&o.seed, "seed", time.Now().UnixNano(), "of the random moments")
	flag.StringVar(&o.transcript, "transcript", "", "write what was typed and printed to this Markdown file")
	flag.BoolVar(&o.keep, "keep", false, "leave gmctl's files for a look")
	flag.Parse()
	if !slices.Contains([]string{storyLife, storyTrouble, storyChaos}, o.story) {
		fmt.Fprintf(os.Stderr, "rehearsal: there is no story %q, but life, trouble and chaos\n", o.story)
		os.Exit(2)
	}

	kube.Quiet()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "rehearsal:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, o options) error {
	if o.shell {
		return shell(ctx, o)
	}
	proof, err := rehearse(ctx, o)
	if encoded, jsonErr := json.Marshal(proof); jsonErr == nil {
		fmt.Println(string(encoded))
	}
	return err
}
