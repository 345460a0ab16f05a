//go:build unix

// Command bench measures gmctl side by side with the peers that its users know,
// in one run, and prints a JSON line a figure. `make bench NAME=local` runs it;
// docs/benchmarks.md says what came out.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// figure is one measured number. Where a peer was measured in the same run, the
// bound is on the ratio ours/peer; else on ours.
type figure struct {
	Name    string   `json:"name"`
	Ours    float64  `json:"ours"`
	Peer    *float64 `json:"peer,omitempty"`
	PeerIs  string   `json:"peer_is,omitempty"`
	Unit    string   `json:"unit"`
	Ratio   *float64 `json:"ratio,omitempty"`
	AtLeast *float64 `json:"at_least,omitempty"`
	AtMost  *float64 `json:"at_most,omitempty"`
	Holds   bool     `json:"holds"`
}

// against returns the figure ours/peer, which holds as long as it has no bound.
func against(name, unit string, ours, peer float64, peerIs string) figure {
	ratio := ours / peer
	return figure{Name: name, Ours: ours, Peer: &peer, PeerIs: peerIs, Unit: unit, Ratio: &ratio, Holds: true}
}

// alone returns a figure with no peer, likewise.
func alone(name, unit string, ours float64) figure {
	return figure{Name: name, Ours: ours, Unit: unit, Holds: true}
}

func (f figure) atMost(bound float64) figure {
	f.AtMost = &bound
	f.Holds = f.measured() <= bound
	return f
}

func (f figure) atLeast(bound float64) figure {
	f.AtLeast = &bound
	f.Holds = f.measured() >= bound
	return f
}

func (f figure) measured() float64 {
	if f.Ratio != nil {
		return *f.Ratio
	}
	return f.Ours
}

// areas are what -name may say.
func areas(scale *scale) map[string]func(context.Context, string, func(figure)) error {
	return map[string]func(context.Context, string, func(figure)) error{
		"aws":       aws,
		"ingestion": scale.ingestion,
		"local":     local,
		"simulate":  simulate,
	}
}

func main() {
	name := flag.String("name", "local", "the area to measure")
	gmctl := flag.String("gmctl", "bin/gmctl", "the gmctl to measure")
	scale, peer := scaleFlags(), peerFlags()
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if peer.name != "" {
		if err := peer.serve(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	area, ok := areas(scale)[*name]
	if !ok {
		fmt.Fprintf(os.Stderr, "bench: no area %q\n", *name)
		os.Exit(2)
	}
	var missed []string
	err := area(ctx, *gmctl, func(f figure) {
		if !f.Holds {
			missed = append(missed, f.Name)
		}
		line, err := json.Marshal(f)
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return
		}
		fmt.Println(string(line))
	})
	if err == nil && len(missed) > 0 {
		err = fmt.Errorf("not within their bounds: %s", strings.Join(missed, "; "))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
