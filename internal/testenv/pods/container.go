//go:build linux

package pods

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// container is one of a pod: what is known of it and, while it runs, its process.
type container struct {
	pod  *pod
	spec core.Container
	init bool
	dir  string

	mu      sync.Mutex
	status  core.ContainerStatus
	process *process
	program program
}

// Why a container waits, as a kubelet names it.
const (
	creating       = "ContainerCreating"
	initializing   = "PodInitializing"
	pullFailed     = "ErrImagePull"
	pullBackOff    = "ImagePullBackOff"
	invalidImage   = "InvalidImageName"
	configFailed   = "CreateContainerConfigError"
	crashLoop      = "CrashLoopBackOff"
	startFailed    = "StartError"
	completed      = "Completed"
	failed         = "Error"
	killedByParent = 137 // the code of what SIGKILL ended
)

func newContainer(p *pod, spec core.Container, isInit bool, waits string) *container {
	c := &container{pod: p, spec: spec, init: isInit, dir: filepath.Join(p.dir, spec.Name)}
	c.status = core.ContainerStatus{Name: spec.Name, Image: spec.Image, State: waiting(waits, "")}
	return c
}

func waiting(reason, message string) core.ContainerState {
	return core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: reason, Message: message}}
}

// set changes the container's status and has the pod's written.
func (c *container) set(change func(status *core.ContainerStatus)) {
	c.mu.Lock()
	change(&c.status)
	c.mu.Unlock()
	c.pod.changed()
}

func (c *container) wait(reason, message string) {
	c.set(func(s *core.ContainerStatus) { s.State, s.Ready = waiting(reason, message), false })
}

func (c *container) snapshot() core.ContainerStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.status.DeepCopy()
}

// keep runs the container, again and again as its pod wants it, until it is done
// with or the pod ends. It reports whether the container ended well.
func (c *container) keep() bool {
	crash := c.pod.runner.options.backOff()
	for {
		img, ok := c.awaitImage()
		if !ok {
			return false
		}
		prepared, ok := c.awaitProgram(img)
		if !ok {
			return false
		}
		started := time.Now()
		code := c.runOnce(img, prepared)
		again := c.pod.restarts(c.init, code) && c.pod.soft.Err() == nil
		if !again {
			return code == 0
		}
		if time.Since(started) > crash.forget {
			crash.reset()
		}
		delay := crash.next()
		c.set(func(s *core.ContainerStatus) {
			s.LastTerminationState = s.State
			s.State = waiting(crashLoop, fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)",
				delay, c.spec.Name, c.pod.key.Name, c.pod.key.Namespace, c.pod.uid))
		})
		c.pod.event(core.EventTypeWarning, "BackOff", "Back-off restarting failed container %s in pod %s", c.spec.Name, c.pod.key.Name)
		if !c.pod.sleep(delay) {
			return false
		}
		c.set(func(s *core.ContainerStatus) { s.RestartCount++ })
	}
}

// awaitImage pulls the image until it is there, or the pod ends.
func (c *container) awaitImage() (*image, bool) {
	tries := c.pod.runner.options.backOff()
	for {
		img, err := c.pod.runner.images.get(c.pod.soft, c.spec.Image)
		if err == nil {
			return img, true
		}
		if c.pod.soft.Err() != nil {
			return nil, false
		}
		reason, backOff := pullFailed, pullBackOff
		if errors.Is(err, errNotByDigest) {
			reason, backOff = invalidImage, invalidImage
		}
		c.pod.event(core.EventTypeWarning, "Failed", "Failed to pull image %q: %v", c.spec.Image, err)
		c.wait(reason, err.Error())
		delay := tries.next()
		if !c.pod.sleep(delay / 2) {
			return nil, false
		}
		c.wait(backOff, fmt.Sprintf("Back-off pulling image %q: %s: %v", c.spec.Image, reason, err))
		if !c.pod.sleep(delay / 2) {
			return nil, false
		}
	}
}

// awaitProgram resolves what the specification refers to until it is all there,
// or the pod ends.
func (c *container) awaitProgram(img *image) (program, bool) {
	tries := c.pod.runner.options.backOff()
	for {
		prepared, err := c.prepare(img)
		if err == nil {
			return prepared, true
		}
		if c.pod.soft.Err() != nil {
			return program{}, false
		}
		c.pod.event(core.EventTypeWarning, "Failed", "Error: %v", err)
		c.wait(configFailed, err.Error())
		if !c.pod.sleep(tries.next()) {
			return program{}, false
		}
	}
}

func (c *container) prepare(img *image) (program, error) {
	pod := c.pod.current()
	who, err := userOf(pod, &c.spec, img)
	if err != nil {
		return program{}, err
	}
	env, err := c.pod.resolver().environment(c.pod.soft, &c.spec, img.config.Env)
	if err != nil {
		return program{}, err
	}
	args := slices.Concat(img.config.Entrypoint, img.config.Cmd)
	switch { // a command replaces the image's arguments too
	case len(c.spec.Command) > 0:
		args = append(expandAll(c.spec.Command, env), expandAll(c.spec.Args, env)...)
	case len(c.spec.Args) > 0:
		args = slices.Concat(img.config.Entrypoint, expandAll(c.spec.Args, env))
	}
	if len(args) == 0 {
		return program{}, errors.New("no command specified")
	}
	dir := c.spec.WorkingDir
	if dir == "" {
		dir = img.config.WorkingDir
	}
	prepared := program{
		root: filepath.Join(c.dir, "root"), network: c.pod.sandbox.space, hostname: c.pod.hostname(),
		args: args, env: env, dir: dir, user: who,
	}
	if prepared.mounts, err = c.mounts(); err != nil {
		return program{}, err
	}
	if _, err := os.Stat(prepared.root); err != nil {
		if err := errors.Join(os.MkdirAll(c.dir, 0o755), link(img.root, prepared.root)); err != nil {
			return program{}, err
		}
	}
	return prepared, prepareRoot(prepared.root, prepared.mounts)
}

// mounts are those of every container and those of the specification.
func (c *container) mounts() ([]mount, error) {
	mounts := append([]mount{{source: "/proc", target: "/proc", readOnly: true}}, c.pod.etc...)
	for _, device := range []string{"null", "zero", "full", "random", "urandom"} {
		mounts = append(mounts, mount{source: "/dev/" + device, target: "/dev/" + device})
	}
	if security := c.spec.SecurityContext; security == nil || !isTrue(security.ReadOnlyRootFilesystem) {
		tmp := filepath.Join(c.dir, "tmp")
		if err := errors.Join(os.MkdirAll(tmp, 0o777), os.Chmod(tmp, 0o777|os.ModeSticky)); err != nil {
			return nil, err
		}
		mounts = append(mounts, mount{source: tmp, target: "/tmp"})
	}
	for _, m := range c.spec.VolumeMounts {
		source := filepath.Join(c.pod.dir, "volumes", m.Name, m.SubPath)
		if m.SubPathExpr != "" {
			return nil, errors.New("the testbed has no subPathExpr")
		}
		if _, err := os.Stat(source); err != nil && m.SubPath != "" {
			if err := errors.Join(os.MkdirAll(source, 0o777), os.Chmod(source, 0o777)); err != nil {
				return nil, err
			}
		}
		mounts = append(mounts, mount{source: source, target: m.MountPath, readOnly: m.ReadOnly})
	}
	return mounts, nil
}

// runOnce starts the program and returns its exit code when it has ended.
func (c *container) runOnce(img *image, prepared program) int {
	log, err := c.openLog()
	if err != nil {
		return c.ended(startFailed, err.Error(), time.Now(), 128, 0)
	}
	defer log.close()
	stdout, stderr := &stream{log: log, name: "stdout"}, &stream{log: log, name: "stderr"}
	prepared.output, prepared.errors = stdout, stderr
	started := time.Now()
	running, err := prepared.start()
	if err != nil {
		c.pod.event(core.EventTypeWarning, "Failed", "Error: failed to start container %q: %v", c.spec.Name, err)
		return c.ended(startFailed, "failed to create containerd task: "+err.Error(), started, 128, 0)
	}
	c.mu.Lock()
	c.process, c.program = running, prepared
	c.mu.Unlock()
	c.set(func(s *core.ContainerStatus) {
		s.ContainerID = fmt.Sprintf("gmctl://%s-%s-%d", c.pod.uid, c.spec.Name, running.pid)
		s.ImageID = c.spec.Image
		s.State = core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: meta.NewTime(started)}}
		s.Started = new(c.spec.StartupProbe == nil)
		s.Ready = !c.init && c.spec.StartupProbe == nil && c.spec.ReadinessProbe == nil
	})
	c.pod.event(core.EventTypeNormal, "Started", "Container started: %s", c.spec.Name)
	c.watch(running)
	c.mu.Lock()
	c.process = nil
	c.mu.Unlock()
	stdout.flush()
	stderr.flush()
	code, signal := running.exit()
	reason := failed
	if code == 0 {
		reason = completed
	}
	return c.ended(reason, "", started, code, signal)
}

func (c *container) ended(reason, message string, started time.Time, code, signal int) int {
	c.set(func(s *core.ContainerStatus) {
		s.Ready, s.Started = c.init && code == 0, new(false)
		s.State = core.ContainerState{Terminated: &core.ContainerStateTerminated{
			ExitCode: int32(code), Signal: int32(signal), Reason: reason, Message: message,
			StartedAt: meta.NewTime(started), FinishedAt: meta.Now(), ContainerID: s.ContainerID,
		}}
	})
	return code
}

// watch returns when the process has ended: by itself, because the pod ends, or
// because its liveness probe says so.
func (c *container) watch(running *process) {
	ctx, stop := context.WithCancel(c.pod.soft)
	unhealthy := make(chan string, 1)
	var probes sync.WaitGroup
	probes.Go(func() { c.probes(ctx, unhealthy) })
	defer probes.Wait()
	defer stop()
	select {
	case <-running.done:
	case <-c.pod.hard.Done():
		running.signal(syscall.SIGKILL)
	case <-c.pod.soft.Done():
		c.terminate(running, true)
	case why := <-unhealthy:
		c.pod.event(core.EventTypeNormal, "Killing", "Container %s failed %s probe, will be restarted", c.spec.Name, why)
		c.terminate(running, false)
	}
	<-running.done
}

// terminate asks the process to end, and kills it after the grace period.
func (c *container) terminate(running *process, podEnds bool) {
	grace := c.pod.gracePeriod()
	if podEnds {
		c.pod.event(core.EventTypeNormal, "Killing", "Stopping container %s", c.spec.Name)
		c.set(func(s *core.ContainerStatus) { s.Ready = false })
	}
	over := time.After(grace)
	if c.spec.Lifecycle != nil && c.spec.Lifecycle.PreStop != nil {
		if err := c.do(c.pod.hard, ofHook(c.spec.Lifecycle.PreStop), grace); err != nil {
			c.pod.event(core.EventTypeWarning, "FailedPreStopHook", "PreStopHook failed: %v", err)
		}
	}
	running.signal(syscall.SIGTERM)
	select {
	case <-running.done:
	case <-over:
	case <-c.pod.hard.Done():
	}
	running.signal(syscall.SIGKILL)
}

// probes runs those of the specification until ctx ends.
func (c *container) probes(ctx context.Context, unhealthy chan<- string) {
	fail := func(why string) {
		select {
		case unhealthy <- why:
		default: // it is being restarted
		}
	}
	if p := c.spec.StartupProbe; p != nil {
		begun, begin := context.WithCancel(ctx)
		c.probe(begun, "Startup", p, func(ok bool) {
			if !ok {
				fail("startup")
				return
			}
			c.set(func(s *core.ContainerStatus) { s.Started, s.Ready = new(true), c.spec.ReadinessProbe == nil })
			begin()
		})
		begin()
	}
	var both sync.WaitGroup
	if p := c.spec.LivenessProbe; p != nil {
		both.Go(func() {
			c.probe(ctx, "Liveness", p, func(ok bool) {
				if !ok {
					fail("liveness")
				}
			})
		})
	}
	if p := c.spec.ReadinessProbe; p != nil {
		both.Go(func() { c.probe(ctx, "Readiness", p, c.ready) })
	}
	both.Wait()
}

func (c *container) ready(ok bool) {
	c.mu.Lock()
	same := c.status.Ready == ok
	c.mu.Unlock()
	if !same {
		c.set(func(s *core.ContainerStatus) { s.Ready = ok })
	}
}

// openLog begins the log of one run; that of the run before is kept.
func (c *container) openLog() (*logFile, error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	count := int(c.snapshot().RestartCount)
	for name, n := range map[string]int{"current.log": count, "previous.log": count - 1} {
		path := filepath.Join(c.dir, name)
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		if n >= 0 {
			if err := os.Symlink(filepath.Join(c.dir, strconv.Itoa(n)+".log"), path); err != nil {
				return nil, err
			}
		}
	}
	return openLog(filepath.Join(c.dir, strconv.Itoa(count)+".log"))
}
