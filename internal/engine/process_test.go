package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// childEnv makes the test binary another process of the tests: its value is
// what to do, in the working directory.
const childEnv = "ENGINE_TEST_CHILD"

func TestMain(m *testing.M) {
	var err error
	switch task := os.Getenv(childEnv); task {
	case "":
		os.Exit(m.Run())
	case "hold":
		err = holdLock(".")
	default:
		err = walkFiles(Verb(task), ".")
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// child returns the command that does task in dir in another process.
func child(t *testing.T, task, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Dir = dir
	// The race detector holds each ending process up for a second otherwise.
	cmd.Env = append(os.Environ(), childEnv+"="+task, "GORACE=atexit_sleep_ms=0")
	return cmd
}

func holdLock(dir string) error {
	lock, err := AcquireLock(filepath.Join(dir, "lock"), CurrentHolder("gmctl up --only kafka"))
	if err != nil {
		return err
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test closes it
	return lock.Release()
}

// walkFiles walks the platform's graph over stages that are files of dir.
func walkFiles(verb Verb, dir string) error {
	lock, err := AcquireLock(filepath.Join(dir, "lock"), CurrentHolder("gmctl "+string(verb)))
	if err != nil {
		return err
	}
	engine, err := fileEngine(dir)
	if err != nil {
		return err
	}
	walk := engine.Up
	if verb == VerbDestroy {
		walk = engine.Teardown
	}
	_, err = walk(context.Background(), Selection{})
	return errors.Join(err, lock.Release())
}

func fileEngine(dir string) (*Engine, error) {
	nodes := platformShape()
	for i := range nodes {
		nodes[i].Stage = &fileStage{dir: dir, name: nodes[i].Name, nodes: nodes}
	}
	graph, err := NewGraph(nodes...)
	if err != nil {
		return nil, err
	}
	journal, err := OpenJournal(filepath.Join(dir, "journal"))
	return New(Options{Env: "test", Command: "gmctl up", Graph: graph, Journal: journal}), err
}

// fileStage is done when the file NAME exists, and half done while NAME.half
// does, which its Plan does not look at.
type fileStage struct {
	idle
	dir, name string
	nodes     []Node
}

func (s *fileStage) at(name string) string { return filepath.Join(s.dir, name) }

func (s *fileStage) is(name string) bool {
	_, err := os.Stat(s.at(name))
	return err == nil
}

func (s *fileStage) Plan(_ context.Context, goal Goal) (Plan, error) {
	if there := s.is(s.name); there == (goal == GoalPresent) {
		return Plan{}, nil
	}
	return Plan{Changes: []Change{{Action: ActionUpdate, Object: s.name}}}, nil
}

func (s *fileStage) Apply(context.Context, Reporter) error {
	for _, node := range s.nodes {
		if node.Name != s.name {
			continue
		}
		for _, name := range node.Needs {
			if !s.is(name) || s.is(name+".half") {
				return fmt.Errorf("%s is applied before %s is done", s.name, name)
			}
		}
	}
	return s.step(func() error { return os.WriteFile(s.at(s.name), nil, 0o600) })
}

func (s *fileStage) Destroy(context.Context, Reporter) error {
	for _, node := range s.nodes {
		if slices.Contains(node.Needs, s.name) && (s.is(node.Name) || s.is(node.Name+".half")) {
			return fmt.Errorf("%s is destroyed while %s is there", s.name, node.Name)
		}
	}
	return s.step(func() error {
		err := os.Remove(s.at(s.name))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	})
}

// step is half done for a while before and after it does what there is to do.
func (s *fileStage) step(do func() error) error {
	pause := func() error { time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond); return nil }
	half := s.at(s.name + ".half")
	for _, part := range []func() error{
		pause, func() error { return os.WriteFile(half, nil, 0o600) }, pause, do, pause, func() error { return os.Remove(half) }, pause,
	} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// A process that is killed with SIGKILL at random moments gets there in the end,
// by its journal alone: up, and down again.
func TestKilledProcessResumes(t *testing.T) {
	dir := t.TempDir()
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	kills := 0
	for range rounds {
		for _, verb := range []Verb{VerbApply, VerbDestroy} {
			kills += killUntilDone(t, verb, dir)
			engine, err := fileEngine(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, node := range engine.Graph.Nodes() {
				stage := node.Stage.(*fileStage)
				if stage.is(node.Name) != (verb == VerbApply) || stage.is(node.Name+".half") {
					t.Fatalf("after %s: %s there: %t, half: %t", verb, node.Name, stage.is(node.Name), stage.is(node.Name+".half"))
				}
			}
		}
	}
	halfDone := journalShowsNoRepeats(t, dir)
	t.Logf("%d kills left %d stages half done", kills, halfDone)
	if halfDone == 0 {
		t.Error("no stage was killed at work: nothing was tested")
	}
}

// killUntilDone runs verb again and again, and kills it sooner than it can be
// done, until after a bounded number of kills it is let go on.
func killUntilDone(t *testing.T, verb Verb, dir string) (kills int) {
	t.Helper()
	for attempt := range 30 {
		cmd := child(t, string(verb), dir)
		var output strings.Builder
		cmd.Stdout, cmd.Stderr = &output, &output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var killer *time.Timer
		if attempt < 8 {
			killer = time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
		err := cmd.Wait()
		if killer != nil {
			killer.Stop()
		}
		if err == nil {
			return kills
		}
		if cmd.ProcessState.Exited() {
			t.Fatalf("%s: %v: %s", verb, err, output.String())
		}
		kills++
	}
	t.Fatalf("%s does not come to an end", verb)
	return kills
}

// journalShowsNoRepeats checks that between a completed Apply of a stage and its
// Destroy there is no other Apply, and the same the other way round. It returns
// how many stages were killed at work.
func journalShowsNoRepeats(t *testing.T, dir string) (halfDone int) {
	t.Helper()
	engine, err := fileEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	log, err := engine.Journal.Read()
	if err != nil {
		t.Fatal(err)
	}
	last := make(map[string]Record)
	for _, record := range log.Records {
		before := last[record.Stage]
		if record.Stage != "" && record.Status == StatusStarted && before.Status == StatusDone && before.Verb == record.Verb {
			t.Errorf("%s %s is done and begins again", record.Verb, record.Stage)
		}
		last[record.Stage] = record
	}
	for _, run := range log.Runs(Filter{}) {
		for _, stage := range run.Stages {
			if stage.Status == StatusKilled {
				halfDone++
			}
		}
	}
	return halfDone
}

func TestLockBetweenProcesses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lock")
	cmd := child(t, "hold", dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	_, err = AcquireLock(path, CurrentHolder("gmctl teardown"))
	p := problem.From(err)
	if p == nil || p.Kind != problem.Locked || p.What != "gmctl up --only kafka is working on this environment" ||
		!strings.HasPrefix(p.Cause.Error(), fmt.Sprintf("process %d of ", cmd.Process.Pid)) || p.Next != fmt.Sprintf("wait until process %d is done", cmd.Process.Pid) {
		t.Fatalf("%+v", p)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if holder, err := readHolder(path); err != nil || holder.PID != cmd.Process.Pid {
		t.Fatalf("the killed holder should have left its text: %+v, %v", holder, err)
	}
	lock, err := AcquireLock(path, CurrentHolder("gmctl teardown"))
	if err != nil {
		t.Fatalf("the text of a killed holder locks others out: %v", err)
	}
	if holder, err := readHolder(path); err != nil || holder.PID != os.Getpid() || holder.Command != "gmctl teardown" {
		t.Errorf("%+v, %v", holder, err)
	}
	if err := errors.Join(lock.Release(), lock.Release()); err != nil {
		t.Error(err)
	}
}

func TestLockIsTakenOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "lock")
	first, err := AcquireLock(path, CurrentHolder("gmctl up"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := AcquireLock(path, CurrentHolder("gmctl up")); problem.From(err) == nil || problem.From(err).Kind != problem.Locked {
		t.Errorf("twice in one process: %v", err)
	}
	time.AfterFunc(lockPatience/3, func() { _ = first.Release() })
	second, err := AcquireLock(path, CurrentHolder("gmctl up"))
	if err != nil {
		t.Fatalf("a holder that is just going is not waited for: %v", err)
	}
	if err := second.Release(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || strings.TrimSpace(strings.Trim(string(text), "\x00")) != "" {
		t.Errorf("a released lock still names a holder: %q, %v", text, err)
	}
}

// A teardown deletes the folder in which the lock is held. Whoever comes next
// makes a new one, and the old holder's release does not touch it.
func TestLockWhoseFileIsDeleted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be deleted on windows")
	}
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, "lock")
	old, err := AcquireLock(path, CurrentHolder("gmctl teardown"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	next, err := AcquireLock(path, CurrentHolder("gmctl up"))
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Release(); err != nil {
		t.Error(err)
	}
	if holder, err := readHolder(path); err != nil || holder.Command != "gmctl up" {
		t.Errorf("the old holder has removed the new one's name: %+v, %v", holder, err)
	}
	if err := next.Release(); err != nil {
		t.Error(err)
	}
}

// However often the file is deleted by who is just done, nobody shares the lock.
func TestLockOfAFileThatComesAndGoes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be deleted on windows")
	}
	path := filepath.Join(t.TempDir(), "lock")
	var holders atomic.Int32
	var contenders sync.WaitGroup
	until := time.Now().Add(300 * time.Millisecond)
	for range 8 {
		contenders.Go(func() {
			for time.Now().Before(until) {
				lock, err := tryLock(path)
				if err != nil {
					t.Error(err)
					return
				}
				if lock == nil {
					continue
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d hold the lock at once", n)
				}
				runtime.Gosched()
				holders.Add(-1)
				_ = os.Remove(path)
				if err := lock.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	contenders.Wait()
}

func TestLockWithoutAName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := AcquireLock(path, CurrentHolder("gmctl up"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Release() }()
	if err := os.WriteFile(path, []byte("\nno JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := AcquireLock(path, CurrentHolder("gmctl up")); err == nil || err.Error() != "another gmctl is working on this environment" {
		t.Errorf("%v", err)
	}
}
