//go:build unix

package nodegroups

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Options says whose node groups become nodes where.
type Options struct {
	AWS  string       // endpoint of an account started with ExternalNodes
	Kube *rest.Config // an admin of the cluster
	// EvictionTimeout is how long a drain waits for pods that a disruption
	// budget holds; 0 means 10 s. EKS waits 15 minutes.
	EvictionTimeout time.Duration
	Logger          *slog.Logger // nil: no log
}

// poll is how often the groups are looked at.
const poll = 200 * time.Millisecond

// Controller makes the nodes until it is stopped.
type Controller struct {
	endpoint        string
	kube            kubernetes.Interface
	evictionTimeout time.Duration
	log             *slog.Logger

	cancel context.CancelFunc
	done   chan struct{}
}

// Run starts a controller that is stopped after the test.
func Run(t testing.TB, options Options) *Controller {
	t.Helper()
	controller, err := Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(controller.Stop)
	return controller
}

// Start starts a controller; the caller stops it with Stop.
func Start(options Options) (*Controller, error) {
	kube, err := kubernetes.NewForConfig(options.Kube)
	if err != nil {
		return nil, err
	}
	const patience = 10 * time.Second
	c := &Controller{
		endpoint: options.AWS, kube: kube, evictionTimeout: options.EvictionTimeout, log: options.Logger,
		done: make(chan struct{}),
	}
	if c.evictionTimeout == 0 {
		c.evictionTimeout = patience
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	go c.run(ctx)
	return c, nil
}

// Stop ends the controller; the nodes stay.
func (c *Controller) Stop() {
	c.cancel()
	<-c.done
}

// job is work on one group that is under way.
type job struct {
	work   string // its id; "" for the upkeep of a group that waits for nothing
	cancel context.CancelFunc
	// told is read after done is closed: the work was reported, and what was
	// seen before that may still name it.
	told bool
	done chan struct{}
}

func (c *Controller) run(ctx context.Context) {
	defer close(c.done)
	jobs := map[string]*job{} // by group
	var running errgroup.Group
	for ctx.Err() == nil {
		groups, err := c.groups(ctx)
		if err == nil {
			c.schedule(ctx, groups, jobs, &running)
			err = c.removeStrays(ctx, groups)
		}
		if err != nil && ctx.Err() == nil {
			c.log.Warn("cannot look at the node groups", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(poll):
		}
	}
	_ = running.Wait() // its jobs tell their errors themselves
}

// schedule starts what is to be done, one job for a group at a time. New work on
// a group ends the job before it.
func (c *Controller) schedule(ctx context.Context, groups []group, jobs map[string]*job, running *errgroup.Group) {
	for _, g := range groups {
		var id string
		if g.Work != nil {
			id = g.Work.ID
		}
		if before := jobs[g.Name]; before != nil {
			select {
			case <-before.done:
				if before.told && before.work == id {
					continue
				}
			default:
				if before.work != id {
					before.cancel()
				}
				continue
			}
		}
		jobCtx, cancel := context.WithCancel(ctx)
		next := &job{work: id, cancel: cancel, done: make(chan struct{})}
		jobs[g.Name] = next
		running.Go(func() error {
			defer close(next.done)
			defer cancel()
			next.told = c.do(jobCtx, g)
			return nil
		})
	}
}

// do brings the nodes of a group to what it says, and tells whoever waits for it.
func (c *Controller) do(ctx context.Context, g group) (told bool) {
	err := c.reconcile(ctx, g)
	var why *failure
	if err != nil && !errors.As(err, &why) {
		c.warn(ctx, g, "will try again", err)
		return false
	}
	if g.Work == nil {
		return false
	}
	c.log.Info("node group", "group", g.Name, "work", g.Work.Kind, "failure", why)
	if err := c.report(ctx, g, why); err != nil {
		c.warn(ctx, g, "cannot report", err)
		return false
	}
	return true
}

// warn logs an error that is not merely the end of the job.
func (c *Controller) warn(ctx context.Context, g group, what string, err error) {
	if ctx.Err() == nil {
		c.log.Warn("node group: "+what, "group", g.Name, "error", err)
	}
}

// removeStrays removes the nodes of groups that are no more, as when the whole
// account was reset.
func (c *Controller) removeStrays(ctx context.Context, groups []group) error {
	known := map[string]bool{}
	for _, g := range groups {
		known[g.Name] = true
	}
	nodes, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: groupLabel})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		if !known[node.Labels[groupLabel]] {
			if err := c.terminate(ctx, node.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
