//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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

// send sends the load to the services, after a little of it that does not count,
// and returns the CPU that an event took, too.
func (s *site) send(ctx context.Context, l load, services ...*service) (measured, time.Duration, error) {
	for _, running := range services {
		l.addresses = append(l.addresses, running.address)
	}
	first := l
	first.during = min(l.during/4, 3*time.Second)
	if _, err := first.run(ctx); err != nil {
		return measured{}, 0, err
	}
	before, err := s.cpu(services...)
	if err != nil {
		return measured{}, 0, err
	}
	result, err := l.run(ctx)
	if err != nil {
		return measured{}, 0, err
	}
	after, err := s.cpu(services...)
	return result, (after - before) / time.Duration(max(result.events, 1)), err
}
