//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
)

// simulate measures whether a laptop takes what a mid-sized game sends: single
// events, 5,000 a second for a minute, stored and in Kafka at its end.
func simulate(ctx context.Context, gmctl string, print func(figure)) error {
	const rate, duration = 5000, "60s"
	gmctl, err := filepath.Abs(gmctl)
	if err != nil {
		return err
	}
	return inHome(ctx, gmctl, func(h home) error {
		if _, err := h.run("up"); err != nil {
			return err
		}
		var load struct {
			AchievedRate float64 `json:"achievedRate"`
			Sent         float64 `json:"sent"`
			Stored       float64 `json:"stored"`
			LatencyMs    struct {
				P50 float64 `json:"p50"`
				P99 float64 `json:"p99"`
			} `json:"latencyMs"`
		}
		if err := h.read(&load, "events", "simulate", "--rate", fmt.Sprint(rate), "--duration", duration); err != nil {
			return err
		}
		var status status
		if err := h.read(&status, "status"); err != nil {
			return err
		}
		print(alone("events simulate, achieved rate", "events/s", load.AchievedRate).atLeast(rate * 0.99))
		print(alone("events simulate, sent and not stored", "events", load.Sent-status.figure("postgres", "stored")).atMost(0))
		print(alone("events simulate, stored and not in Kafka", "events", status.figure("relay", "lag")).atMost(0))
		print(alone("events simulate, latency p50", "ms", load.LatencyMs.P50))
		print(alone("events simulate, latency p99", "ms", load.LatencyMs.P99))
		return nil
	})
}

// status is what is read of `gmctl status -o json`.
type status struct {
	Stages []struct {
		Name    string `json:"name"`
		Figures []struct {
			Name  string  `json:"name"`
			Value float64 `json:"value"`
		} `json:"figures"`
	} `json:"stages"`
}

// figure returns a stage's figure, or -1 if it is not there.
func (s status) figure(stage, name string) float64 {
	for _, candidate := range s.Stages {
		for _, f := range candidate.Figures {
			if candidate.Name == stage && f.Name == name {
				return f.Value
			}
		}
	}
	return -1
}

// read runs gmctl and decodes its document's data.
func (h home) read(into any, args ...string) error {
	var stderr bytes.Buffer
	command := h.command(append(args, "-o", "json")...)
	command.Stderr = &stderr
	output, err := command.Output()
	if _, exited := err.(*exec.ExitError); err != nil && (!exited || len(output) == 0) { //nolint:errorlint // Output wraps nothing
		return fmt.Errorf("gmctl %v: %w\n%s", args, err, stderr.String())
	}
	return json.Unmarshal(output, &struct {
		Data any `json:"data"`
	}{into})
}
