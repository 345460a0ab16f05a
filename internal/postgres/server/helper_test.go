package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/postgres/server"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// supervisorVariable makes the test binary a supervisor: a process that starts
// the server that the variable's JSON describes, tells its standard output what
// it does, and stops the server when its standard input ends.
const supervisorVariable = "GMCTL_TEST_SUPERVISOR"

func TestMain(m *testing.M) {
	if described := os.Getenv(supervisorVariable); described != "" {
		os.Exit(supervise(described))
	}
	os.Exit(m.Run())
}

func supervise(described string) int {
	var cfg server.Config
	if err := json.Unmarshal([]byte(described), &cfg); err != nil {
		fmt.Println("failed:", err)
		return 2
	}
	ctx := context.Background()
	s, err := server.Start(ctx, cfg, func(doing string) { fmt.Println("doing:", doing) })
	if err != nil {
		fmt.Println("failed:", err, "next:", problem.From(err).Next)
		return 1
	}
	fmt.Println("ready:", s.Status().PID)
	bufio.NewReader(os.Stdin).ReadString('\n')
	if err := s.Stop(ctx); err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	fmt.Println("stopped")
	return 0
}

// supervisor is such a process.
type supervisor struct {
	t      *testing.T
	cmd    *exec.Cmd
	output *bufio.Scanner
	end    func() error // ends its standard input
}

func newSupervisor(t *testing.T, cfg server.Config, change func(*exec.Cmd)) *supervisor {
	t.Helper()
	cfg.Log = nil
	described, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), supervisorVariable+"="+string(described))
	if change != nil {
		change(cmd)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &supervisor{t: t, cmd: cmd, output: bufio.NewScanner(stdout), end: stdin.Close}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // killed or ended in order: either is what the test wanted
	})
	return s
}

// await reads the supervisor's output up to the line that starts with the
// prefix, and returns the rest of that line.
func (s *supervisor) await(prefix string) string {
	s.t.Helper()
	var said []string
	for s.output.Scan() {
		if rest, found := strings.CutPrefix(s.output.Text(), prefix); found {
			return strings.TrimSpace(rest)
		}
		said = append(said, s.output.Text())
	}
	s.t.Fatalf("the supervisor never said %q; it said:\n%s", prefix, strings.Join(said, "\n"))
	return ""
}

// kill kills the supervisor with no chance to clean up.
func (s *supervisor) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	_, _ = s.cmd.Process.Wait()
}

// noStageLeft checks that nothing of a cluster half-made is left beside the data directory.
func noStageLeft(t *testing.T, cfg server.Config) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(filepath.Dir(cfg.DataDir), ".*.new-*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
