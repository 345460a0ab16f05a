//go:build unix

package server_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/postgres/server"
)

func TestAServerKilledIsStartedAgainWithItsData(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	first := start(t, cfg)
	execute(t, first, "CREATE TABLE kept AS SELECT 42 AS n")

	// A session in the middle of something long outlives its server.
	busy := connect(t, first.DSN())
	defer busy.Close(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := busy.Exec(context.Background(), "SELECT pg_sleep(60)")
		ended <- err
	}()
	for query[int](t, first, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()") == 0 {
		time.Sleep(time.Millisecond)
	}
	mistaken := connect(t, first.DSN())
	if _, err := mistaken.Exec(t.Context(), "SELECT * FROM no_such_table"); err == nil {
		t.Error("there is such a table")
	}
	mistaken.Close(t.Context())
	kill(t, first.Status().PID)
	if err := first.Wait(); err == nil || !strings.Contains(err.Error(), "killed") || strings.Contains(err.Error(), "no_such_table") {
		t.Errorf("the death of a killed server is told as %v", err)
	}

	second := start(t, cfg)
	if got := query[int](t, second, "SELECT n FROM kept"); got != 42 {
		t.Errorf("after the restart the table holds %d", got)
	}
	if err := <-ended; err == nil {
		t.Error("the session of the killed server still works")
	}
}

func TestAServerDoesNotOutliveItsSupervisor(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a process of its parent's death")
	}
	cfg := newConfig(t)
	supervisor := newSupervisor(t, cfg, nil)
	pid, err := strconv.Atoi(supervisor.await("ready:"))
	if err != nil {
		t.Fatal(err)
	}
	supervisor.kill()
	deadline := time.Now().Add(10 * time.Second)
	for len(server.ProcessesOf(cfg.DataDir)) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("PostgreSQL (pid %d) outlives its supervisor: %v", pid, server.ProcessesOf(cfg.DataDir))
		}
		time.Sleep(5 * time.Millisecond)
	}
	start(t, cfg)
}

func TestAServerStartsAtOnceAfterItsSupervisorWasKilled(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	supervisor := newSupervisor(t, cfg, nil)
	supervisor.await("ready:")
	supervisor.kill()
	start(t, cfg) // while the old server is still shutting down
}

func TestASupervisorStopsItsServerInOrder(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	supervisor := newSupervisor(t, cfg, nil)
	supervisor.await("ready:")
	if err := supervisor.end(); err != nil {
		t.Fatal(err)
	}
	supervisor.await("stopped")
	if left := server.ProcessesOf(cfg.DataDir); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

// A cluster is there whole or not at all, whenever its making is killed.
func TestAClusterHalfMadeIsNeverTakenForGood(t *testing.T) {
	t.Parallel()
	const rounds = 4
	for round := range rounds {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			t.Parallel()
			cfg := newConfig(t)
			supervisor := newSupervisor(t, cfg, nil)
			supervisor.await("doing: making the database cluster")
			after := time.Duration(rand.IntN(600)) * time.Millisecond
			t.Logf("killed after %v", after)
			time.Sleep(after)
			supervisor.kill()

			s := start(t, cfg)
			execute(t, s, "CREATE TABLE works (n int)")
			noStageLeft(t, cfg)
		})
	}
}

// After a reboot the number in the lock file may be another process's.
func TestALockFileWithAReusedNumberIsNoServer(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	stop(t, start(t, cfg))
	info, err := os.Stat(cfg.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)

	// PostgreSQL itself refuses to start if the process is of the same user.
	stranger := exec.Command("sleep", "60")
	if os.Geteuid() == 0 {
		stranger.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	stranger.Dir = "/"
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stranger.Process.Kill(); err != nil {
			t.Errorf("the stranger did not live on: %v", err)
		}
		_ = stranger.Wait()
	}()
	lock := filepath.Join(cfg.DataDir, "postmaster.pid")
	content := strconv.Itoa(stranger.Process.Pid) + "\n" + cfg.DataDir + "\n1700000000\n5432\n\n127.0.0.1\n  1 1\nready   \n"
	if err := os.WriteFile(lock, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(lock, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
}

func TestALockFileCutShortIsNoServer(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	stop(t, start(t, cfg))
	if err := os.WriteFile(filepath.Join(cfg.DataDir, "postmaster.pid"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
}

func TestStopGivesUpOnGentlenessWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	s := start(t, cfg)
	execute(t, s, "CREATE TABLE kept AS SELECT 42 AS n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if got := query[int](t, start(t, cfg), "SELECT n FROM kept"); got != 42 {
		t.Errorf("after the restart the table holds %d", got)
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
