//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// cpu is how much of the cores the services at work and PostgreSQL have used so
// far. Unlike a rate it does not depend on what else the machine does.
func (s *site) cpu(services ...*service) (time.Duration, error) {
	content, err := os.ReadFile(filepath.Join(s.postgres.DataDir(), "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	var postmaster int32
	if _, err := fmt.Sscan(string(content), &postmaster); err != nil {
		return 0, err
	}
	pids := []int32{postmaster}
	for _, running := range services {
		pids = append(pids, int32(running.command.Process.Pid))
	}
	seconds := 0.0
	for len(pids) > 0 {
		p, err := process.NewProcess(pids[0])
		pids = pids[1:]
		if err != nil {
			continue // it has ended
		}
		times, err := p.Times()
		if err != nil {
			continue
		}
		seconds += times.User + times.System
		children, err := p.Children()
		if err != nil {
			continue // it has none
		}
		for _, child := range children {
			pids = append(pids, child.Pid)
		}
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// own is how much of the cores this program, the load, has used so far.
func own() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// send sends the load to the services, after a little of it that does not count.
func (s *site) send(ctx context.Context, l load, services ...*service) (measured, error) {
	for _, running := range services {
		l.addresses = append(l.addresses, running.address)
	}
	first := l
	first.during = min(l.during/4, 3*time.Second)
	if _, err := first.run(ctx); err != nil {
		return measured{}, err
	}
	before, err := s.cpu(services...)
	if err != nil {
		return measured{}, err
	}
	ownBefore, err := own()
	if err != nil {
		return measured{}, err
	}
	result, err := l.run(ctx)
	if err != nil {
		return measured{}, err
	}
	ownAfter, err := own()
	if err != nil {
		return measured{}, err
	}
	after, err := s.cpu(services...)
	theirs, ours := after-before, ownAfter-ownBefore
	result.cost = theirs / time.Duration(max(result.events, 1))
	result.generator = float64(ours) / float64(max(ours+theirs, 1))
	return result, err
}
