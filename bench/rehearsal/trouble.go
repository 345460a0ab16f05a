//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The instance types of the group for Kafka: one on which no broker fits, and the
// one that init chose.
const (
	tooSmall = "t3.small"
	asChosen = "t3.large"
)

// trouble is the story of an environment that is configured too small, and begun
// all the same, by two at once.
func (r *run) trouble() []act {
	return []act{
		{"init", r.beginTooSmall},
		{"plan", r.refused("plan -e dev")},
		{"up", r.refused("up -e dev --yes")},
		{"up by force", r.upByForce},
		{"status", r.statusNamesThePod},
		{"the image is missing", r.upWithoutImage},
		{"repaired", r.repair},
		{"teardown", r.teardown},
		{"orphans", r.orphans},
	}
}

func (r *run) beginTooSmall(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	return r.setDataNodes(asChosen, tooSmall)
}

// setDataNodes changes the instance type of the group for Kafka in gmctl.yaml.
func (r *run) setDataNodes(from, to string) error {
	const group = "        data:\n          instanceType: "
	return r.configure(group+from, group+to)
}

// refused is a step in which gmctl says why a broker cannot fit, with the
// arithmetic and what to set instead, and has made nothing.
func (r *run) refused(line string) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, err := r.player.fails(ctx, line, 1, "does not fit", "2Gi", tooSmall, "nodeGroups.data.instanceType"); err != nil {
			return err
		}
		resources, err := r.resources(ctx)
		if err == nil && len(resources) > 0 {
			err = fmt.Errorf("%s made %s", line, strings.Join(resources, ", "))
		}
		return err
	}
}

// upByForce ends with the cause. Who tries the same meanwhile is told who holds the
// lock: on this machine, and on that of a colleague.
func (r *run) upByForce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := r.player.fails(ctx, "up -e dev --yes --force", 1, "kafka", "Pending", "Insufficient memory")
		ended <- err
	}()
	lock := func() error {
		for { // the first has to begin
			resources, err := r.resources(ctx)
			if err != nil {
				return err
			}
			if len(resources) > 0 {
				break
			}
			select {
			case err := <-ended:
				ended <- err // for who waits for it
				return errors.Join(errors.New("up ended before it made anything"), err)
			case <-time.After(200 * time.Millisecond):
			}
		}
		if _, err := r.player.fails(ctx, "up -e dev --yes --force", 4, "gmctl up --env=dev --force --yes is working on this environment"); err != nil {
			return err
		}
		colleague, err := r.player.colleague()
		if err != nil {
			return err
		}
		_, err = colleague.fails(ctx, "up -e dev --yes --force", 4, "the Terraform state is locked", "works on it since")
		return err
	}
	if err := lock(); err != nil {
		cancel()
		return errors.Join(err, <-ended)
	}
	return <-ended
}

func (r *run) statusNamesThePod(ctx context.Context) error {
	_, err := r.player.fails(ctx, "status -e dev", 3, "pod gamemetrics-kafka-0 is Pending", "Insufficient memory")
	return err
}

// upWithoutImage is told to take a released image that is not there.
func (r *run) upWithoutImage(ctx context.Context) error {
	missing := "127.0.0.1:1/gamemetrics/gmctl@sha256:" + strings.Repeat("0", 64)
	if err := r.configure("        # source: self", "        source: "+missing); err != nil {
		return err
	}
	if _, err := r.player.fails(ctx, "up -e dev --yes --force --only image", 1, missing, "connection refused"); err != nil {
		return err
	}
	return r.configure("        source: "+missing, "        # source: self")
}

func (r *run) repair(ctx context.Context) error {
	if err := r.setDataNodes(tooSmall, asChosen); err != nil {
		return err
	}
	if _, err := r.player.must(ctx, "up -e dev --yes"); err != nil {
		return err
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	return r.upAgain(ctx)
}
