//go:build unix

// Package schemathesis holds a running HTTP API to its own OpenAPI document: it
// sends it requests that the document allows and such that it does not, and holds
// the answers to it.
package schemathesis

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/python"
)

var (
	//go:embed requirements.txt
	requirements []byte
	//go:embed hooks.py
	hooks []byte
)

// Options are what a test may ask for.
type Options struct {
	Examples int    // requests of each operation and phase
	Seed     uint64 // of what is sent
	Config   string // the program's own configuration file, which says what does not hold
}

// Run fuzzes the API whose document is at url, and fails the test where it breaks
// its word. It returns how many requests were made. The test is skipped where the
// program cannot be had.
func Run(t testing.TB, url string, o Options) int {
	t.Helper()
	ctx := t.Context()
	environment, err := python.Environment(ctx, "schemathesis", requirements)
	testenv.Require(t, testenv.Schemathesis, err)
	config, err := filepath.Abs(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, python.Program(environment, "schemathesis"), "--config-file", config, "run", url,
		"--phases", "examples,coverage,fuzzing", "--seed", strconv.FormatUint(o.Seed, 10), "--max-examples", strconv.Itoa(o.Examples),
		"--suppress-health-check", "all", "--request-timeout", "20", "--warnings", "off")
	cmd.Dir = t.TempDir() // it keeps what it has found where it runs
	if err := os.WriteFile(filepath.Join(cmd.Dir, "hooks.py"), hooks, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "SCHEMATHESIS_HOOKS=hooks", "PYTHONPATH="+cmd.Dir)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the API does not keep its document (run again with the seed %d): %v\n%s", o.Seed, err, output)
	}
	cases := regexp.MustCompile(`(\d+) generated`).FindSubmatch(output)
	if cases == nil {
		t.Fatalf("the report does not say how much was tried:\n%s", output)
	}
	count, _ := strconv.Atoi(string(cases[1])) // they are digits
	return count
}
