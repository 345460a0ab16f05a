//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type options struct {
	gmctl   string
	rounds  int
	seed    int64
	senders int
	keep    bool
}

// victim is what a round kills.
type victim string

const (
	supervisor victim = "supervisor"
	postgres   victim = "postgres"
	up         victim = "up"
)

// bench holds one environment in a home of its own.
type site struct {
	options
	home   string
	random *rand.Rand
}

func run(ctx context.Context, o options) (audit audit, err error) {
	audit.Seed = o.seed
	if o.gmctl, err = filepath.Abs(o.gmctl); err != nil {
		return audit, err
	}
	home, err := os.MkdirTemp("", "gmctl-chaos-")
	if err != nil {
		return audit, err
	}
	if err := os.Chmod(home, 0o755); err != nil { // PostgreSQL's user must pass through
		return audit, err
	}
	s := &site{options: o, home: home, random: rand.New(rand.NewSource(o.seed))}
	defer func() {
		if o.keep {
			fmt.Fprintln(os.Stderr, "kept:", home)
			return
		}
		if out, downErr := s.command(context.WithoutCancel(ctx), "teardown", "--yes").CombinedOutput(); downErr != nil && err == nil {
			err = fmt.Errorf("teardown: %w\n%s", downErr, out)
		}
		_ = os.RemoveAll(home)
	}()
	if err := s.up(ctx); err != nil {
		return audit, err
	}
	load, err := s.startLoad(ctx)
	if err != nil {
		return audit, err
	}
	kills := map[victim]int{}
	began := time.Now()
	for round := 1; round <= o.rounds; round++ {
		target := []victim{supervisor, postgres, up}[s.random.Intn(3)]
		if err := s.round(ctx, target); err != nil {
			load.stop()
			return audit, fmt.Errorf("round %d, %s killed: %w", round, target, err)
		}
		kills[target]++
		fmt.Fprintf(os.Stderr, "round %d of %d: %s killed, up again; %d events acknowledged, %s\n",
			round, o.rounds, target, load.acknowledged(), time.Since(began).Round(time.Second))
	}
	load.stop()
	audit, err = s.audit(ctx, load)
	audit.Seed, audit.Rounds, audit.Kills = o.seed, o.rounds, kills
	return audit, err
}

// round kills the target at a random moment under load and brings the
// environment up again.
func (s *site) round(ctx context.Context, target victim) error {
	if !sleep(ctx, s.between(50, 400)) {
		return ctx.Err()
	}
	switch target {
	case supervisor:
		if err := s.killSupervisor(); err != nil {
			return err
		}
	case postgres:
		if err := s.killPostgres(); err != nil {
			return err
		}
	case up:
		// give it something to do, then kill it somewhere in the middle
		if err := s.killSupervisor(); err != nil {
			return err
		}
		command := s.command(ctx, "up")
		command.Stdout, command.Stderr = nil, nil
		if err := command.Start(); err != nil {
			return err
		}
		sleep(ctx, s.between(0, 700))
		_ = command.Process.Kill()
		_ = command.Wait()
	}
	return s.up(ctx)
}

func (s *site) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if out, err := s.command(ctx, "up").CombinedOutput(); err != nil {
		return fmt.Errorf("gmctl up: %w\n%s", err, out)
	}
	return nil
}

func (s *site) killSupervisor() error {
	var record struct {
		PID int `json:"pid"`
	}
	if err := s.state("supervisor.json", &record); err != nil {
		return err
	}
	return kill(record.PID)
}

// killPostgres kills the postmaster; its backends end when they notice.
func (s *site) killPostgres() error {
	var spec struct {
		Postgres string `json:"postgres"`
	}
	if err := s.state("spec.json", &spec); err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(spec.Postgres, "postmaster.pid"))
	if os.IsNotExist(err) {
		return nil // it is between two lives already
	}
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return fmt.Errorf("postmaster.pid: %w", err)
	}
	return kill(pid)
}

func kill(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	return nil
}

func (s *site) state(name string, into any) error {
	content, err := os.ReadFile(filepath.Join(s.home, ".local", "state", "gmctl", "local", name))
	if err != nil {
		return err
	}
	return json.Unmarshal(content, into)
}

// command is gmctl in the site's own home.
func (s *site) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, s.gmctl, args...)
	command.Dir = s.home
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "XDG_") && !strings.HasPrefix(entry, "HOME=") {
			command.Env = append(command.Env, entry)
		}
	}
	command.Env = append(command.Env, "HOME="+s.home)
	return command
}

// between returns a random time, in milliseconds.
func (s *site) between(least, most int) time.Duration {
	return time.Duration(least+s.random.Intn(most-least+1)) * time.Millisecond
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
