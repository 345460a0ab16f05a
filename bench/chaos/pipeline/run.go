//go:build unix

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"slices"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/testenv"
)

// Options are what a run is given.
type Options struct {
	Gmctl   string        // path of the program to try
	Rounds  int           // faults
	Seed    int64         // of the choices
	Only    []string      // names of faults; none: all of them
	Senders int           // players that send at the same time
	Hold    time.Duration // of a transaction that stays open
	Crowd   int           // connections at the same time
	Keep    bool          // leave logs and data for a look
	Log     io.Writer     // what happens
}

// wants reports whether a fault is asked for.
func (o Options) wants(fault string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, fault) }

// Result is what came out, as the program prints it.
type Result struct {
	Name   string         `json:"name"`
	Rounds int            `json:"rounds"` // of which the audit held
	Seed   int64          `json:"seed"`
	Faults map[string]int `json:"faults"`
	counts
	MemoryMiB int      `json:"memory_mib"`        // the most that a service held
	Missing   []string `json:"missing,omitempty"` // faults that this machine cannot do
	Violated  []string `json:"violated,omitempty"`
	Holds     bool     `json:"holds"`
}

// holds reports whether all rounds came out well, and whether no fault was left out where
// the environment asks for all that a machine can have.
func (r *Result) holds(rounds int) bool {
	return len(r.Violated) == 0 && r.Rounds == rounds && r.Acked > 0 && (len(r.Missing) == 0 || !testenv.Required("all"))
}

// Run runs the faults, one a round, and stops at the first whose audit does not
// hold. Its error is one of the machinery, not of what was tried.
func Run(ctx context.Context, o Options) (result Result, err error) {
	result = Result{Name: "pipeline", Seed: o.Seed, Faults: map[string]int{}}
	s, err := newSite(ctx, o)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	deck, err := s.deck()
	if err != nil {
		return result, err
	}
	began := time.Now()
	s.load.start(ctx)
	defer s.load.stop()
	for round := 0; round < o.Rounds && len(result.Violated) == 0; round++ {
		seed := o.Seed + int64(round)
		f := deck.draw(round)
		if err := s.round(ctx, f, seed); ctx.Err() != nil {
			return result, ctx.Err()
		} else if err != nil {
			s.ledger.violate("%s: %v", f.name, err)
		}
		result.Faults[f.name]++
		result.Violated = s.ledger.violations()
		if len(result.Violated) == 0 {
			result.Rounds++
		}
		fmt.Fprintf(o.Log, "round %d of %d: %s (again: -only %s -seed %d -rounds 1); %s, %s\n",
			round+1, o.Rounds, f.name, f.name, seed, s.ledger.summary(), time.Since(began).Round(time.Second))
	}
	if len(result.Violated) == 0 {
		s.load.stop()
		if err := s.finalAudit(ctx); err != nil {
			s.ledger.violate("the last audit: %v", err)
		}
		result.Violated = s.ledger.violations()
	}
	result.counts, result.MemoryMiB, result.Missing = s.ledger.counted(), s.mostMiB, s.missing
	result.Holds = result.holds(o.Rounds)
	if !result.Holds {
		fmt.Fprintf(o.Log, "%s\n%s\n", strings.Join(result.Violated, "\n"), s.tails())
	}
	return result, nil
}

// round lets the load run for a moment, strikes, and audits.
func (s *site) round(ctx context.Context, f fault, seed int64) error {
	random := rand.New(rand.NewSource(seed))
	s.load.resume()
	if !sleep(ctx, between(random, 100, 900)) {
		return ctx.Err()
	}
	if err := f.strike(ctx, s, random); err != nil {
		return err
	}
	if err := s.load.pause(ctx); err != nil {
		return err
	}
	return s.audit(ctx)
}

// deck is the faults, in turn a kill and another one, each as often as the others of its
// half and in an order that the seed gives.
type deck struct {
	halves [][]fault // none is empty
	seed   int64
}

// deck returns the faults that were asked for and can be had on this machine.
func (s *site) deck() (*deck, error) {
	d := &deck{seed: s.Seed}
	known := s.missing
	for _, half := range [][]fault{kills(), s.otherFaults()} {
		for _, f := range half {
			known = append(known, f.name)
		}
		half = slices.DeleteFunc(half, func(f fault) bool { return !s.wants(f.name) })
		if len(half) > 0 {
			d.halves = append(d.halves, half)
		}
	}
	for _, name := range s.Only {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no fault %q, only %s", name, strings.Join(known, ", "))
		}
	}
	if len(d.halves) == 0 {
		return nil, fmt.Errorf("this machine cannot do %s", strings.Join(s.missing, ", "))
	}
	return d, nil
}

func (d *deck) draw(round int) fault {
	half := d.halves[round%len(d.halves)]
	round /= len(d.halves)
	lap := int64(round / len(half))
	order := rand.New(rand.NewSource(d.seed + lap)).Perm(len(half))
	return half[order[round%len(half)]]
}

// between returns a random time, in milliseconds.
func between(random *rand.Rand, least, most int) time.Duration {
	return time.Duration(least+random.Intn(most-least+1)) * time.Millisecond
}

// sleep waits, and reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// await returns when the condition holds, or an error that says what did not come
// to hold, and why as far as the condition knew.
func await(ctx context.Context, what string, patience time.Duration, condition func() error) error {
	for deadline := time.Now().Add(patience); ; {
		err := condition()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not in %s: %s: %w", patience, what, err)
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
}
