//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// local measures what a newcomer feels: how quickly gmctl answers, how soon the
// platform is up, and how long a test of Kafka takes.
func local(ctx context.Context, gmctl string, print func(figure)) error {
	gmctl, err := filepath.Abs(gmctl)
	if err != nil {
		return err
	}
	if err := startup(ctx, gmctl, print); err != nil {
		return err
	}
	if err := bringUp(ctx, gmctl, print); err != nil {
		return err
	}
	return kafkaTest(ctx, gmctl, print)
}

// startup measures commands that do nothing against kubectl's.
func startup(ctx context.Context, gmctl string, print func(figure)) error {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		return fmt.Errorf("the peer is missing: %w (install kubectl)", err)
	}
	const rounds = 15
	for _, try := range []struct{ name, argument string }{{"gmctl version", "version"}, {"gmctl --help", "--help"}} {
		ours, peer, err := paired(rounds,
			func() error { return exec.CommandContext(ctx, gmctl, try.argument).Run() },
			func() error { return exec.CommandContext(ctx, kubectl, "version", "--client").Run() })
		if err != nil {
			return err
		}
		print(against(try.name, "ms", ms(ours), ms(peer), "kubectl version --client").atMost(1.5))
		print(alone(try.name+", absolute", "ms", ms(ours)).atMost(60))
	}
	return nil
}

// bringUp measures `gmctl up` in its three situations.
func bringUp(ctx context.Context, gmctl string, print func(figure)) error {
	const rounds = 5
	var fresh, existing, again []time.Duration
	ours := func() error {
		return inHome(ctx, gmctl, func(h home) error {
			for _, step := range []struct {
				args []string
				into *[]time.Duration
			}{
				{[]string{"up"}, &fresh},
				{[]string{"up"}, &again},
				{[]string{"teardown", "--yes", "--keep-data"}, nil},
				{[]string{"up"}, &existing},
			} {
				took, err := h.run(step.args...)
				if err != nil {
					return err
				}
				if step.into != nil {
					*step.into = append(*step.into, took)
				}
			}
			return nil
		})
	}
	var alone1 []time.Duration
	for range rounds {
		took, err := bareDatabase(ctx)
		if err != nil {
			return err
		}
		alone1 = append(alone1, took)
		if err := ours(); err != nil {
			return err
		}
	}
	print(against("gmctl up, new", "ms", ms(median(fresh)), ms(median(alone1)), "initdb and postgres ready, nothing else").atMost(2))
	print(alone("gmctl up, new, absolute", "ms", ms(median(fresh))).atMost(3000))
	print(alone("gmctl up, data there", "ms", ms(median(existing))).atMost(1500))
	print(alone("gmctl up, up already", "ms", ms(median(again))).atMost(300))
	return nil
}

// home is a gmctl in a home directory of its own.
type home struct {
	dir     string
	command func(args ...string) *exec.Cmd
}

// run runs gmctl and returns how long it took.
func (h home) run(args ...string) (time.Duration, error) {
	began := time.Now()
	if output, err := h.command(args...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("gmctl %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return time.Since(began), nil
}

// inHome runs work with a gmctl in a new home, and tears down after it.
func inHome(ctx context.Context, gmctl string, work func(home) error) (err error) {
	dir, err := os.MkdirTemp("", "gmctl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL's user passes through
		return err
	}
	h := home{dir, func(args ...string) *exec.Cmd {
		command := exec.CommandContext(ctx, gmctl, args...)
		command.Dir, command.Env = dir, environ(dir)
		return command
	}}
	defer func() {
		if _, downErr := h.run("teardown", "--yes"); err == nil {
			err = downErr
		}
	}()
	return work(h)
}

// environ is this process's environment with another home.
func environ(home string) []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "XDG_") || strings.HasPrefix(entry, "HOME=")
	})
	return append(env, "HOME="+home)
}

// paired times two things in turn, after one run of each that does not count,
// and returns the medians.
func paired(rounds int, ours, peer func() error) (oursMedian, peerMedian time.Duration, err error) {
	var a, b []time.Duration
	for round := range rounds + 1 {
		for _, side := range []struct {
			work func() error
			into *[]time.Duration
		}{{ours, &a}, {peer, &b}} {
			began := time.Now()
			if err := side.work(); err != nil {
				return 0, 0, err
			}
			if round > 0 {
				*side.into = append(*side.into, time.Since(began))
			}
		}
	}
	return median(a), median(b), nil
}

func median(of []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
