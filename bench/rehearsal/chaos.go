//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// killOften is within what time chaos kills: there is work to do each time.
const killOften = 45 * time.Second

// chaos is the story of an environment that is brought up and torn down again and
// again, and hardly ever in one go: gmctl is killed at random moments, and every
// third time Terraform with it, as by a power cut.
func (r *run) chaos() []act {
	return []act{{"init", r.begin}, {"rounds", r.rounds}}
}

func (r *run) rounds(ctx context.Context) error {
	for r.proof.Kills < r.kills {
		if err := r.throughKills(ctx, "up -e dev --yes"); err != nil {
			return err
		}
		if err := r.look(ctx); err != nil {
			return err
		}
		if err := r.upAgain(ctx); err != nil {
			return err
		}
		if err := r.throughKills(ctx, "teardown -e dev --yes"); err != nil {
			return err
		}
		if err := r.orphans(ctx); err != nil {
			return err
		}
		r.proof.Cycles++
	}
	return nil
}

// killsInTurn is how often a command is killed before it may come to its end: one
// that waits for minutes never would.
const killsInTurn = 5

// throughKills types the command until it ends by itself, which it must do well.
func (r *run) throughKills(ctx context.Context, line string) error {
	for inTurn := 0; inTurn < killsInTurn && r.proof.Kills < r.kills; inTurn++ {
		killed, err := r.player.killed(ctx, line, killOften)
		if err != nil || !killed {
			return err
		}
		if r.proof.Kills++; r.proof.Kills%3 == 0 {
			if err := r.player.killTerraform(); err != nil {
				return err
			}
		}
	}
	_, err := r.player.must(ctx, line)
	return err
}

// killTerraform kills what is at work for the player's gmctl, its plugins too.
func (p *player) killTerraform() error {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, folder := range folders {
		where, cwdErr := os.Readlink(filepath.Join(folder, "cwd"))
		name, nameErr := os.ReadFile(filepath.Join(folder, "comm"))
		if cwdErr != nil || nameErr != nil || !strings.HasPrefix(where, p.folder) || !strings.HasPrefix(string(name), "terraform") {
			continue // not one of them, or it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "    # and %s, process %d, with it\n", strings.TrimSpace(string(name)), pid)
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may end by itself meanwhile
	}
	return nil
}
