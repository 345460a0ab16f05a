//go:build linux

package pods

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// pod is one that runs here. Its containers end with soft, in order, and with
// hard at once.
type pod struct {
	runner  *Runner
	key     types.NamespacedName
	uid     types.UID
	dir     string
	address string // in the API alone
	began   meta.Time

	hard, soft    context.Context
	kill, endSoft context.CancelFunc
	sandbox       *sandbox
	etc           []mount
	inits, mains  []*container
	statusWanted  chan struct{} // holds one entry while the status is to be written

	mu       sync.Mutex
	spec     *core.Pod // as the API server had it last
	grace    time.Duration
	sandboxy bool // the sandbox is there
}

func newPod(r *Runner, spec *core.Pod, address string) *pod {
	p := &pod{
		runner: r, key: types.NamespacedName{Namespace: spec.Namespace, Name: spec.Name}, uid: spec.UID,
		dir: filepath.Join(r.dir, "pods", string(spec.UID)), address: address, began: meta.Now(), spec: spec,
		statusWanted: make(chan struct{}, 1),
		grace:        time.Duration(deref64(spec.Spec.TerminationGracePeriodSeconds, 30)) * time.Second,
	}
	p.hard, p.kill = context.WithCancel(r.ctx)
	p.soft, p.endSoft = context.WithCancel(p.hard)
	waits := creating
	if len(spec.Spec.InitContainers) > 0 {
		waits = initializing
	}
	for _, c := range spec.Spec.InitContainers {
		p.inits = append(p.inits, newContainer(p, c, true, initializing))
	}
	for _, c := range spec.Spec.Containers {
		p.mains = append(p.mains, newContainer(p, c, false, waits))
	}
	return p
}

func deref64(n *int64, otherwise int64) int64 {
	if n == nil {
		return otherwise
	}
	return *n
}

// run is the life of the pod. It returns when nothing of it is left here.
func (p *pod) run() {
	over := make(chan struct{})
	var statuses sync.WaitGroup
	statuses.Go(func() { p.writeStatuses(over) })
	p.changed()
	p.live()
	p.closeSandbox()
	p.changed()
	// The containers are done: only the removal is left to wait for.
	select {
	case <-p.soft.Done():
	case <-p.hard.Done():
	}
	p.endSoft()
	close(over)
	statuses.Wait()
	p.unannounce()
	p.remove()
	p.kill()
	_ = os.RemoveAll(p.dir) // what is left goes with the runner's folder
}

// live runs the containers until they have ended.
func (p *pod) live() {
	if !p.setUp() {
		return
	}
	for _, c := range p.inits {
		c.wait(creating, "")
		if !c.keep() {
			return
		}
	}
	var all sync.WaitGroup
	for _, c := range p.mains {
		all.Go(func() { c.keep() })
	}
	all.Wait()
}

// setUp makes the network and the volumes, again and again until it works.
func (p *pod) setUp() bool {
	tries := p.runner.options.backOff()
	for {
		err := p.trySetUp()
		if err == nil {
			return true
		}
		if p.soft.Err() != nil {
			return false
		}
		p.event(core.EventTypeWarning, "FailedMount", "%v", err)
		if !p.sleep(tries.next()) {
			return false
		}
	}
}

func (p *pod) trySetUp() error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	if p.sandbox == nil {
		made, err := newSandbox(p.runner.network)
		if err != nil {
			return err
		}
		p.sandbox = made
		p.runner.network.add(p.key, made)
		p.mu.Lock()
		p.sandboxy = true
		p.mu.Unlock()
	}
	var err error
	if p.etc, err = p.sandbox.files(p.dir, p.key.Namespace, p.hostname(), p.address); err != nil {
		return err
	}
	if err := p.resolver().volumes(p.soft, filepath.Join(p.dir, "volumes")); err != nil {
		return err
	}
	return p.announce()
}

func (p *pod) closeSandbox() {
	if p.sandbox != nil {
		p.runner.network.remove(p.key, p.sandbox)
		p.sandbox.close()
	}
	p.mu.Lock()
	p.sandboxy = false
	p.mu.Unlock()
}

// remove tells the API server that nothing of the pod is left, so that it
// forgets it.
func (p *pod) remove() {
	now := int64(0)
	for p.hard.Err() == nil {
		err := p.runner.client.CoreV1().Pods(p.key.Namespace).Delete(p.hard, p.key.Name, meta.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: &meta.Preconditions{UID: &p.uid},
		})
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		select {
		case <-p.hard.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// update takes what the API server says of the pod.
func (p *pod) update(spec *core.Pod) {
	p.mu.Lock()
	p.spec = spec
	if spec.DeletionTimestamp != nil {
		p.grace = time.Duration(deref64(spec.DeletionGracePeriodSeconds, 30)) * time.Second
	}
	p.mu.Unlock()
	if spec.DeletionTimestamp != nil {
		p.endSoft()
	}
}

func (p *pod) current() *core.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spec
}

func (p *pod) gracePeriod() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grace
}

func (p *pod) hostname() string {
	if spec := p.current().Spec; spec.Hostname != "" {
		return spec.Hostname
	}
	return p.key.Name[:min(len(p.key.Name), 63)]
}

// resolver sees the pod with its addresses, which the API server may not have yet.
func (p *pod) resolver() resolver {
	seen := p.current().DeepCopy()
	seen.Status.PodIP, seen.Status.HostIP = p.address, p.runner.hostIP
	return resolver{client: p.runner.client, pod: seen}
}

// restarts reports whether a container that ended with the code is started again.
func (p *pod) restarts(isInit bool, code int) bool {
	switch p.current().Spec.RestartPolicy {
	case core.RestartPolicyNever:
		return false
	case core.RestartPolicyOnFailure:
		return code != 0
	}
	return !isInit || code != 0
}

// sleep waits and reports whether the pod still lives.
func (p *pod) sleep(d time.Duration) bool {
	select {
	case <-p.soft.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (p *pod) event(kind, reason, format string, args ...any) {
	p.runner.events.Eventf(p.current(), kind, reason, format, args...)
}
