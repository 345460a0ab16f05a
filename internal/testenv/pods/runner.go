//go:build linux

package pods

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

// Options say what to run, and how.
type Options struct {
	// Config reaches the API server as someone who may do everything.
	Config *rest.Config
	// Routes lead out of the cluster; more can be added while it runs.
	Routes []Route
	// Auth logs in to registries; nil: nobody.
	Auth authn.Authenticator
	// BackOff is the first pause before a container that ended is started
	// again; it doubles up to 16 times as long. 0: a second, a kubelet's is ten.
	BackOff time.Duration
	// Log is told of what goes wrong here; nil: nobody.
	Log func(format string, args ...any)
}

func (o Options) backOff() *backOff {
	first := o.BackOff
	if first == 0 {
		first = time.Second
	}
	return &backOff{first: first, most: 16 * first, forget: 60 * first}
}

// Selector is that of the pods that run here; kwok leaves them alone.
const Selector = "app.kubernetes.io/part-of=gamemetrics,gmctl.gamemetrics.io/image=own"

// hostIP is what the pods' status has for that of their node. It and the
// addresses of pods are for benchmarks (RFC 2544): nobody's, and not loopback
// addresses, which the API server refuses for endpoints.
const hostIP = "198.18.0.1"

// Runner runs pods until Stop.
type Runner struct {
	options Options
	dir     string
	client  kubernetes.Interface
	dynamic dynamic.Interface
	images  *images
	network *network
	hostIP  string
	log     func(format string, args ...any)
	events  record.EventRecorder

	ctx         context.Context
	cancel      context.CancelFunc
	broadcaster record.EventBroadcaster
	factories   []informers.SharedInformerFactory
	work        sync.WaitGroup

	mu      sync.Mutex
	pods    map[types.UID]*pod
	counted int // pods so far: their addresses
	played  []net.Listener
	stopped bool
}

// Available is an error that says why this machine cannot run pods.
func Available() error {
	if os.Geteuid() != 0 {
		return errors.New("only root can give pods a network and a root directory of their own")
	}
	probe, err := newNamespace()
	if err != nil {
		return err
	}
	probe.close()
	return nil
}

// Start begins to run pods. The context bounds the start alone.
func Start(ctx context.Context, options Options) (*Runner, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(options.Config)
	if err != nil {
		return nil, err
	}
	dynamicClient, err := dynamic.NewForConfig(options.Config)
	if err != nil {
		return nil, err
	}
	server, err := url.Parse(options.Config.Host)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("gmctl-pods-%d-", os.Getpid()))
	if err != nil {
		return nil, err
	}
	if options.Auth == nil {
		options.Auth = authn.Anonymous
	}
	r := &Runner{
		options: options, dir: dir, client: client, dynamic: dynamicClient, network: newNetwork(), hostIP: hostIP,
		images: &images{dir: filepath.Join(dir, "images"), auth: options.Auth, pulled: map[string]*pull{}},
		log:    options.Log, pods: map[types.UID]*pod{}, broadcaster: record.NewBroadcaster(),
	}
	if r.log == nil {
		r.log = func(string, ...any) {}
	}
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.network.api = To(server.Host)
	for _, route := range options.Routes {
		r.network.route(route)
	}
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

func (r *Runner) start(ctx context.Context) error {
	if err := os.MkdirAll(r.images.dir, 0o755); err != nil {
		return err
	}
	r.broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: r.client.CoreV1().Events("")})
	r.events = r.broadcaster.NewRecorder(scheme.Scheme, core.EventSource{Component: "kubelet"})

	all := informers.NewSharedInformerFactory(r.client, 0)
	r.network.services = all.Core().V1().Services().Lister()
	r.network.slices = all.Discovery().V1().EndpointSlices().Lister()
	own := informers.NewSharedInformerFactoryWithOptions(r.client, 0, informers.WithTweakListOptions(selectOwn))
	if _, err := own.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    r.seen,
		UpdateFunc: func(_, now any) { r.seen(now) },
		DeleteFunc: r.gone,
	}); err != nil {
		return err
	}
	for _, factory := range []informers.SharedInformerFactory{all, own} { // pods ask for services
		r.factories = append(r.factories, factory)
		factory.Start(r.ctx.Done())
		for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
			if !ok {
				return fmt.Errorf("the API server does not tell of %s: %w", kind, ctx.Err())
			}
		}
	}
	return nil
}

func selectOwn(options *meta.ListOptions) { options.LabelSelector = Selector }

// Route adds a way out of the cluster for pods.
func (r *Runner) Route(route Route) { r.network.route(route) }

// Play has connections to the ports of a pod that is run by others lead
// elsewhere: those of pods of ours, through services, and port-forwards.
func (r *Runner) Play(ctx context.Context, namespace, name string, ports map[int]Dial) error {
	pod := types.NamespacedName{Namespace: namespace, Name: name}
	forwards := map[int]int{}
	for port, dial := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.played = append(r.played, listener)
		r.mu.Unlock()
		forwards[port] = listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener has no other
		r.work.Go(func() { r.serve(listener, dial) })
	}
	r.network.play(pod, ports)
	return r.forward(ctx, pod, forwards)
}

func (r *Runner) serve(listener net.Listener, dial Dial) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		r.work.Go(func() {
			target, err := dial(r.ctx)
			if err != nil {
				reset(conn)
				return
			}
			stop := context.AfterFunc(r.ctx, func() { _, _ = conn.Close(), target.Close() })
			defer stop()
			join(conn, target)
		})
	}
}

// Dial connects to a port of a service, as a pod of the namespace would.
func (r *Runner) Dial(ctx context.Context, namespace, service string, port int) (net.Conn, error) {
	return r.network.dial(ctx, service+"."+namespace+domain, port)
}

// seen takes a pod that is bound to a node.
func (r *Runner) seen(object any) {
	spec, ok := object.(*core.Pod)
	if !ok || spec.Spec.NodeName == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	running, ok := r.pods[spec.UID]
	if ok {
		running.update(spec)
		return
	}
	over := spec.Status.Phase == core.PodSucceeded || spec.Status.Phase == core.PodFailed
	if r.stopped || over && spec.DeletionTimestamp == nil {
		return
	}
	r.counted++
	address := fmt.Sprintf("198.18.%d.%d", 1+r.counted/250, 1+r.counted%250)
	running = newPod(r, spec, address)
	running.update(spec)
	r.pods[spec.UID] = running
	r.work.Go(func() {
		running.run()
		r.mu.Lock()
		delete(r.pods, spec.UID)
		r.mu.Unlock()
	})
}

// gone ends a pod that the API server has forgotten.
func (r *Runner) gone(object any) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	spec, ok := object.(*core.Pod)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if running, ok := r.pods[spec.UID]; ok {
		running.kill()
	}
}

// Stop ends all pods at once and leaves nothing of them on this machine.
func (r *Runner) Stop() error {
	r.mu.Lock()
	r.stopped = true
	for _, listener := range r.played {
		listener.Close()
	}
	r.mu.Unlock()
	r.cancel()
	for _, factory := range r.factories {
		factory.Shutdown()
	}
	r.work.Wait()
	r.broadcaster.Shutdown()
	return os.RemoveAll(r.dir)
}
