//go:build linux

package pods

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mount is a file or folder of the machine that a container sees at a path.
type mount struct {
	source   string
	target   string // absolute, in the container
	readOnly bool
}

// program says what to run in a container.
type program struct {
	root     string // prepared by prepareRoot
	mounts   []mount
	network  *namespace
	hostname string
	args     []string // the program as the container names it, and its arguments
	env      []string
	dir      string // in the container
	user     user
	output   io.Writer // of stdout and stderr
	errors   io.Writer
}

// process is the first process of a container.
type process struct {
	pid    int
	root   string
	cmd    *exec.Cmd
	err    error         // of Wait; read after done
	done   chan struct{} // closed when it and all it started are gone
	mounts *os.File      // its mount namespace, for execs
	pids   *os.File
}

// outputDelay is how long output is read after a process has ended.
const outputDelay = 2 * time.Second

// prepareRoot makes the places that mounts need in a container's tree.
func prepareRoot(root string, mounts []mount) error {
	for _, m := range mounts {
		target, err := within(root, m.target)
		if err != nil {
			return err
		}
		info, err := os.Stat(m.source)
		if err != nil {
			return err
		}
		if _, err := os.Lstat(target); err == nil {
			continue
		}
		if info.IsDir() {
			err = os.MkdirAll(target, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
			err = os.WriteFile(target, nil, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// within returns where a path of a container stands on the machine: symbolic
// links are those of the container, and none leads out of root.
func within(root, path string) (string, error) {
	const mostLinks = 40
	done, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		next := filepath.Join(done, part) // Clean keeps ".." below /
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil { // no link, or nothing yet
			done = next
			continue
		}
		if links++; links > mostLinks {
			return "", fmt.Errorf("%s: %w", path, unix.ELOOP)
		}
		if filepath.IsAbs(target) {
			done = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return filepath.Join(root, done), nil
}

// find returns the path in the container of a program, as execvp looks for it.
func (p *program) find() (string, error) {
	name := p.args[0]
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for _, entry := range p.env {
			if list, ok := strings.CutPrefix(entry, "PATH="); ok {
				for dir := range strings.SplitSeq(list, ":") {
					candidates = append(candidates, filepath.Join("/", dir, name))
				}
			}
		}
	}
	for _, candidate := range candidates {
		if !filepath.IsAbs(candidate) {
			candidate = filepath.Join("/", p.dir, candidate)
		}
		path, err := within(p.root, candidate)
		if err != nil {
			return "", err
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", &startError{fmt.Errorf("exec: %q: executable file not found in $PATH", name)}
}

// startError is that of a container that cannot be started for what it is.
type startError struct{ error }

func (e *startError) Unwrap() error { return e.error }

// command is the program in the container's root as its user.
func (p *program) command() (*exec.Cmd, error) {
	path, err := p.find()
	if err != nil {
		return nil, err
	}
	dir := p.dir
	if dir == "" {
		dir = "/"
	}
	return &exec.Cmd{
		Path: path, Args: p.args, Env: p.env, Dir: dir, Stdout: p.output, Stderr: p.errors, WaitDelay: outputDelay,
		SysProcAttr: &syscall.SysProcAttr{
			Chroot: p.root, Setsid: true,
			Credential: &syscall.Credential{Uid: p.user.uid, Gid: p.user.gid, Groups: p.user.groups},
		},
	}, nil
}

// start starts the program as the first process of a PID namespace: when it
// ends, so does all it has started.
func (p *program) start() (*process, error) {
	cmd, err := p.command()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWIPC
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // what is executed in it later goes with it
	started := make(chan error, 1)
	made := &process{root: p.root, cmd: cmd, done: make(chan struct{})}
	go func() {
		// It holds namespaces that are the container's: it ends with it, and
		// the process with it, if this program does.
		runtime.LockOSThread()
		defer close(made.done)
		if err := errors.Join(p.enter(), p.mountAll()); err != nil {
			started <- err
			return
		}
		if err := cmd.Start(); err != nil {
			started <- &startError{err}
			return
		}
		made.pid = cmd.Process.Pid
		started <- made.open()
		made.err = cmd.Wait()
		made.close()
	}()
	if err := <-started; err != nil {
		if made.pid != 0 {
			made.signal(syscall.SIGKILL)
			<-made.done
		}
		return nil, err
	}
	return made, nil
}

// enter gives the thread namespaces of the container.
func (p *program) enter() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("make namespaces: %w", err)
	}
	if err := unix.Sethostname([]byte(p.hostname)); err != nil {
		return fmt.Errorf("set the hostname: %w", err)
	}
	return p.network.enter()
}

// mountAll makes the container's root, in the mount namespace of the thread
// alone: nothing is left of it on the machine.
func (p *program) mountAll() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := bind(p.root, p.root, true); err != nil {
		return err
	}
	for _, m := range p.mounts {
		target, err := within(p.root, m.target)
		if err != nil {
			return err
		}
		if err := bind(m.source, target, m.readOnly); err != nil {
			return err
		}
	}
	return nil
}

func bind(source, target string, readOnly bool) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", source, target, err)
	}
	if !readOnly {
		return nil
	}
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", target, err)
	}
	return nil
}

func (p *process) open() (err error) {
	dir := fmt.Sprintf("/proc/%d/ns/", p.pid)
	if p.mounts, err = os.Open(dir + "mnt"); err != nil {
		return unlessGone(err)
	}
	p.pids, err = os.Open(dir + "pid")
	return unlessGone(err)
}

// unlessGone is nil for the error of a process that has ended already: Wait
// tells of it.
func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EACCES) {
		return nil
	}
	return err
}

func (p *process) close() {
	for _, file := range []*os.File{p.mounts, p.pids} {
		if file != nil {
			file.Close()
		}
	}
}

func (p *process) signal(signal syscall.Signal) {
	_ = p.cmd.Process.Signal(signal) // it may end by itself meanwhile
}

// exit returns how the process ended, after done: its code, and the signal if
// one ended it.
func (p *process) exit() (code, signal int) {
	state := p.cmd.ProcessState
	if state == nil {
		return 128, 0
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal()), int(status.Signal())
	}
	return state.ExitCode(), 0
}

// exec runs another program in the container for at most timeout.
func (p *process) exec(other program, timeout time.Duration) error {
	cmd, err := other.command()
	if err != nil {
		return err
	}
	return onThread(func() error {
		if p.mounts == nil || p.pids == nil {
			return errors.New("the container has ended")
		}
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return err
		}
		if err := other.network.enter(); err != nil {
			return err
		}
		for file, kind := range map[*os.File]int{p.mounts: unix.CLONE_NEWNS, p.pids: unix.CLONE_NEWPID} {
			if err := unix.Setns(int(file.Fd()), kind); err != nil {
				return fmt.Errorf("enter the container: %w", err)
			}
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		timer := time.AfterFunc(timeout, func() { _ = cmd.Process.Kill() }) // or it has ended
		defer timer.Stop()
		return cmd.Wait()
	})
}
