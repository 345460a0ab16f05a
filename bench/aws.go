//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/environment"
	testaws "github.com/gamemetrics/gmctl/internal/testenv/aws"
	"github.com/gamemetrics/gmctl/internal/testenv/rehearsal"
)

// aws measures what gmctl adds to Terraform, in a pretended account.
func aws(ctx context.Context, gmctl string, print func(figure)) (err error) {
	if gmctl, err = filepath.Abs(gmctl); err != nil {
		return err
	}
	account, err := rehearsal.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, account.Stop()) }()
	env, err := account.Env()
	if err != nil {
		return err
	}
	return inHome(ctx, gmctl, func(h home) error {
		command := h.command
		h.command = func(args ...string) *exec.Cmd {
			cmd := command(args...)
			cmd.Env = append(cmd.Env, env...)
			return cmd
		}
		if err := describe(h, account.Manifests); err != nil {
			return err
		}
		if _, err := h.run("up", "-e", "dev", "--yes"); err != nil {
			return err
		}
		if err := firstUp(ctx, h, env, print); err != nil {
			return err
		}
		return unchangedUp(ctx, h, env, print)
	})
}

// describe writes the gmctl.yaml of an environment in the account.
func describe(h home, manifests string) error {
	text := fmt.Sprintf("apiVersion: %s\nenvironments:\n  dev:\n    provider: aws\n    aws:\n      region: %s\n      manifests: %s\n",
		config.APIVersion, testaws.Region, manifests)
	return os.WriteFile(filepath.Join(h.dir, config.FileName), []byte(text), 0o644)
}

// ran is a run as the journal has it.
type ran struct {
	ElapsedSeconds float64 `json:"elapsedSeconds"`
	Stages         []struct {
		Name           string  `json:"name"`
		ElapsedSeconds float64 `json:"elapsedSeconds"`
	} `json:"stages"`
}

// firstUp holds the first up against its own critical path, and its infrastructure
// against Terraform alone.
func firstUp(ctx context.Context, h home, env []string, print func(figure)) error {
	output, err := h.command("history", "show", "-e", "dev", "-o", "json").Output()
	if err != nil {
		return err
	}
	var document struct{ Data ran }
	if err := json.Unmarshal(output, &document); err != nil {
		return err
	}
	took := map[string]float64{}
	for _, stage := range document.Data.Stages {
		took[stage.Name] = stage.ElapsedSeconds
	}
	cfg, err := config.Load(filepath.Join(h.dir, config.FileName))
	if err != nil {
		return err
	}
	stages, err := environment.Open(cfg, "dev", environment.Options{})
	if err != nil {
		return err
	}
	plain, err := plainApply(ctx, h, env)
	if err != nil {
		return err
	}
	print(against("aws: infra, first up", "s", took["infra"], plain.Seconds(), "terraform init and apply of the same configuration").atMost(1.05))
	print(against("aws: first up", "s", document.Data.ElapsedSeconds, criticalPath(stages.Graph, took), "its critical path in the journal").atMost(1.1))
	return nil
}

// criticalPath is the longest chain of stages that wait for each other.
func criticalPath(graph *engine.Graph, took map[string]float64) float64 {
	ends, longest := map[string]float64{}, 0.0
	for _, node := range graph.Nodes() {
		begins := 0.0
		for _, need := range node.Needs {
			begins = max(begins, ends[need])
		}
		ends[node.Name] = begins + took[node.Name]
		longest = max(longest, ends[node.Name])
	}
	return longest
}

// workspace is where gmctl runs Terraform.
func workspace(h home) string {
	return filepath.Join(h.dir, ".local", "share", "gmctl", "dev", "terraform", "tree")
}

// plainApply applies what gmctl applied with Terraform alone, in an account of its
// own, with its state in a file.
func plainApply(ctx context.Context, h home, env []string) (took time.Duration, err error) {
	account, err := testaws.Start(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, account.Stop()) }()
	dir := filepath.Join(h.dir, "plain")
	if err := copyTree(dir, workspace(h)); err != nil {
		return 0, err
	}
	root := filepath.Join(dir, "environments", config.TemplateDev)
	local := `{"terraform": {"backend": {"local": {}}}}`
	if err := os.WriteFile(filepath.Join(root, "bench_override.tf.json"), []byte(local), 0o644); err != nil {
		return 0, err
	}
	began := time.Now()
	for _, words := range []string{"init -input=false", "apply -input=false -auto-approve"} {
		cmd := terraform(ctx, root, append(env, account.Env()...), words)
		if output, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("terraform %s: %w\n%s", words, err, output)
		}
	}
	return time.Since(began), nil
}

func terraform(ctx context.Context, dir string, env []string, words string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "terraform", strings.Fields(words)...)
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), env...), "CHECKPOINT_DISABLE=1")
	return cmd
}

// copyTree copies a configuration without what init made of it.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == ".terraform" {
				return fs.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o644)
	})
}

// unchangedUp holds an up that finds nothing to do against Terraform's plan alone.
func unchangedUp(ctx context.Context, h home, env []string, print func(figure)) error {
	const rounds = 3
	root := filepath.Join(workspace(h), "environments", config.TemplateDev)
	ours, peer, err := paired(rounds,
		func() error { _, err := h.run("up", "-e", "dev", "--yes"); return err },
		func() error { return terraform(ctx, root, env, "plan -input=false -lock=false").Run() })
	if err != nil {
		return err
	}
	print(against("aws: up, nothing to change", "s", ours.Seconds(), peer.Seconds(), "terraform plan").atMost(1.3))
	return nil
}
