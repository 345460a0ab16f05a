//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// player types gmctl's commands as a user would, in a folder and a home of its
// own, and keeps what they print.
type player struct {
	gmctl  string
	folder string // with the gmctl.yaml, and home/ below it
	env    []string
	random *rand.Rand
	out    io.Writer // sees all that is printed, as it is

	mu     sync.Mutex
	said   bytes.Buffer // the transcript
	beside bytes.Buffer // what was printed beside it, for programs or to nobody
}

// printed is what a command printed and how it ended.
type printed struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

// colleague types in the same folder, on a machine that knows nothing of what was
// typed here: with a home of its own.
func (p *player) colleague() (*player, error) {
	home := filepath.Join(p.folder, "colleague")
	env := append(slices.Clone(p.env), "HOME="+home)
	return &player{gmctl: p.gmctl, folder: p.folder, env: env, random: p.random, out: p.out}, os.MkdirAll(home, 0o755)
}

func newPlayer(o options, env []string, out io.Writer) (*player, error) {
	gmctl, err := filepath.Abs(o.gmctl)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "gmctl-rehearsal-")
	if err != nil {
		return nil, err
	}
	home := filepath.Join(folder, "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		return nil, err
	}
	p := &player{gmctl: gmctl, folder: folder, random: rand.New(rand.NewSource(o.seed)), out: out}
	p.env = append(os.Environ(), env...)
	p.env = append(p.env, "HOME="+home, "XDG_STATE_HOME=", "XDG_DATA_HOME=", "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=", "KUBECONFIG=", "NO_COLOR=1")
	return p, nil
}

func (p *player) clear() error { return os.RemoveAll(p.folder) }

// command is gmctl with the words of line, in a process group of its own: a
// signal for it is not one for this process.
func (p *player) command(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.gmctl, strings.Fields(line)...)
	cmd.Dir, cmd.Env = p.folder, p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 3 * time.Minute // terraform needs it to release its lock
	return cmd
}

// try types the command and returns what came of it.
func (p *player) try(ctx context.Context, line string) (printed, error) {
	cmd := p.command(ctx, line)
	var stdout, stderr, both bytes.Buffer
	screen := &shared{writer: io.MultiWriter(&both, p.out)}
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, screen), io.MultiWriter(&stderr, screen)
	fmt.Fprintf(p.out, "\n$ gmctl %s\n", line)
	began := time.Now()
	err := cmd.Run()
	result := printed{stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode(), took: time.Since(began)}
	p.note(line, both.String(), result.code)
	if _, exited := errors.AsType[*exec.ExitError](err); exited && ctx.Err() == nil {
		err = nil
	}
	return result, err
}

// must types a command that has to succeed.
func (p *player) must(ctx context.Context, line string) (printed, error) {
	result, err := p.try(ctx, line)
	if err == nil && result.code != 0 {
		err = fmt.Errorf("gmctl %s ended with exit code %d", line, result.code)
	}
	return result, err
}

// fails types a command that has to end with the exit code and to print all of
// the words.
func (p *player) fails(ctx context.Context, line string, code int, words ...string) (printed, error) {
	result, err := p.try(ctx, line)
	if err != nil {
		return result, err
	}
	if result.code != code {
		return result, fmt.Errorf("gmctl %s ended with exit code %d, not %d", line, result.code, code)
	}
	for _, word := range words {
		if !strings.Contains(result.stdout+result.stderr, word) {
			return result, fmt.Errorf("gmctl %s does not say %q", line, word)
		}
	}
	return result, nil
}

// killed types the command and kills it with SIGKILL at a random moment within the
// time, unless it ends by itself before.
func (p *player) killed(ctx context.Context, line string, within time.Duration) (killed bool, err error) {
	cmd := p.command(ctx, line)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	moment := time.Duration(p.random.Int63n(int64(within)))
	fmt.Fprintf(p.out, "\n$ gmctl %s    # killed after %s\n", line, moment.Round(time.Millisecond))
	if err := cmd.Start(); err != nil {
		return false, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-time.After(moment):
		_ = cmd.Process.Kill() // it may just have ended
		err = <-ended
		killed = !cmd.ProcessState.Exited()
	case <-ctx.Done():
		return false, errors.Join(ctx.Err(), <-ended)
	}
	p.aside(output.Bytes())
	if killed {
		fmt.Fprintln(p.out, lastLines(output.String(), 3))
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("gmctl %s ended by itself, before it was killed: %w\n%s", line, err, output.String())
	}
	fmt.Fprintln(p.out, "    # it had ended by then")
	return false, nil
}

// lastLines are the last n lines of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// document types a command that prints one as JSON.
func (p *player) document(ctx context.Context, line string, into any) error {
	output, err := p.command(ctx, line).Output()
	p.aside(output)
	if err != nil {
		return fmt.Errorf("gmctl %s: %w", line, err)
	}
	return json.Unmarshal(output, into)
}

func (p *player) aside(output []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.beside.Write(output) // a Buffer takes everything
}

// printedAnywhere is all that gmctl has printed.
func (p *player) printedAnywhere() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Concat(p.said.Bytes(), p.beside.Bytes())
}

func (p *player) note(line, text string, code int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(&p.said, "$ gmctl %s\n%s", line, text)
	if !strings.HasSuffix(text, "\n") && text != "" {
		_ = p.said.WriteByte('\n') // a Buffer takes everything
	}
	if code != 0 {
		fmt.Fprintf(&p.said, "(exit code %d)\n", code)
	}
	_ = p.said.WriteByte('\n')
}

// transcript is all that was typed and printed so far.
func (p *player) transcript() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// shared lets two streams write into one.
type shared struct {
	mu     sync.Mutex
	writer io.Writer
}

func (s *shared) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writer.Write(text)
}
