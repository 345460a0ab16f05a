package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // client-go itself is not at its successor yet
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// lastWord is how long the reason of an end may come after the end itself.
const lastWord = 200 * time.Millisecond

// Dial connects to a port of a service: to a ready pod of it, through the API
// server. Nothing listens on this machine for it.
func (c *Client) Dial(ctx context.Context, namespace, service string, port int) (net.Conn, error) {
	ref := Ref{Version: "v1", Kind: "Service", Namespace: namespace, Name: service}
	object, err := c.fetch(ctx, ref)
	if err != nil {
		return nil, explain(err, ref.String()+" could not be read")
	}
	if object == nil {
		return nil, &problem.Error{What: "there is no " + ref.String(), Next: "make it: gmctl up"}
	}
	services, err := typed[corev1.Service]([]unstructured.Unstructured{*object})
	if err != nil {
		return nil, err
	}
	pods, err := c.list(ctx, core("Pod"), namespace, labels.SelectorFromSet(services[0].Spec.Selector).String())
	if err != nil {
		return nil, explain(err, "the pods of "+ref.String()+" could not be listed")
	}
	candidates, err := typed[corev1.Pod](pods)
	if err != nil {
		return nil, err
	}
	for i := range candidates {
		pod := &candidates[i]
		if pod.Status.Phase != corev1.PodRunning || !podReady(pod) {
			continue
		}
		target, err := targetPort(&services[0], pod, port)
		if err != nil {
			return nil, err
		}
		return c.DialPod(ctx, namespace, pod.Name, target)
	}
	return nil, &problem.Error{What: "no pod of " + ref.String() + " is ready", Next: "see why: gmctl status"}
}

// targetPort is the port of the pod behind a port of the service.
func targetPort(service *corev1.Service, pod *corev1.Pod, port int) (int, error) {
	for _, offered := range service.Spec.Ports {
		if int(offered.Port) != port {
			continue
		}
		if number := offered.TargetPort.IntValue(); number != 0 {
			return number, nil
		}
		name := offered.TargetPort.StrVal
		for i := range pod.Spec.Containers {
			for _, known := range pod.Spec.Containers[i].Ports {
				if known.Name == name {
					return int(known.ContainerPort), nil
				}
			}
		}
		if name == "" {
			return port, nil
		}
		return 0, &problem.Error{What: fmt.Sprintf("pod %s has no port %s", pod.Name, name)}
	}
	return 0, &problem.Error{What: fmt.Sprintf("service %s/%s has no port %d", service.Namespace, service.Name, port)}
}

// dialTimeout bounds the way through the API server to a pod.
const dialTimeout = 30 * time.Second

// DialPod connects to a port of a pod, through the API server: by WebSocket,
// or SPDY where the API server or a proxy on the way knows no other. The
// connection ends with Close, not with the context.
func (c *Client) DialPod(ctx context.Context, namespace, pod string, port int) (net.Conn, error) {
	what := fmt.Sprintf("no connection to port %d of pod %s/%s", port, namespace, pod)
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	type dialled struct {
		connection httpstream.Connection
		err        error
	}
	done := make(chan dialled, 1)
	go func() {
		connection, err := c.upgrade(namespace, pod)
		done <- dialled{connection, err}
	}()
	select {
	case <-ctx.Done():
		go func() { // the dialers know no context: what they bring too late is put away
			if late := <-done; late.connection != nil {
				late.connection.Close()
			}
		}()
		return nil, explain(ctx.Err(), what)
	case made := <-done:
		if made.err != nil {
			return nil, explain(made.err, what)
		}
		conn, err := newForward(made.connection, pod, port)
		if err != nil {
			made.connection.Close()
			return nil, explain(err, what)
		}
		return conn, nil
	}
}

func (c *Client) upgrade(namespace, pod string) (httpstream.Connection, error) {
	target := *c.host
	target.Path += "/api/v1/namespaces/" + url.PathEscape(namespace) + "/pods/" + url.PathEscape(pod) + "/portforward"
	websocket, err := portforward.NewSPDYOverWebsocketDialer(&target, c.config)
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, &target)
	either := portforward.NewFallbackDialer(websocket, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	connection, _, err := either.Dial(portforward.PortForwardProtocolV1Name)
	return connection, err
}

// forward is a connection to a pod. Its pipe gives it deadlines, which the
// streams through the API server do not have.
type forward struct {
	net.Conn
	connection httpstream.Connection
	remote     podAddr
	copies     sync.WaitGroup
	once       sync.Once

	mu     sync.Mutex
	failed error // what the pod's side said
}

type podAddr struct {
	pod  string
	port int
}

func (a podAddr) Network() string { return "tcp" }
func (a podAddr) String() string  { return net.JoinHostPort(a.pod, strconv.Itoa(a.port)) }

func newForward(connection httpstream.Connection, pod string, port int) (net.Conn, error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	failures, err := connection.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	failures.Close() // nothing is written to it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := connection.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	f := &forward{Conn: near, connection: connection, remote: podAddr{pod, port}}
	said := make(chan struct{})
	f.copies.Go(func() {
		defer close(said)
		text, err := io.ReadAll(failures)
		if err == nil && len(text) > 0 {
			f.fail(errors.New(strings.TrimSpace(string(text))))
			_ = data.Reset() // it is at its end
		}
	})
	f.copies.Go(func() {
		_, _ = io.Copy(far, data) // how it ended, the other stream says
		select {                  // why it ended comes on the other stream
		case <-said:
		case <-time.After(lastWord):
		}
		far.Close()
	})
	f.copies.Go(func() {
		_, _ = io.Copy(data, far) // likewise
		data.Close()
	})
	return f, nil
}

func (f *forward) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = err
}

// Read says why the pod's side ended the connection, if it did say so.
func (f *forward) Read(into []byte) (int, error) {
	n, err := f.Conn.Read(into)
	return n, f.why(err)
}

func (f *forward) Write(from []byte) (int, error) {
	n, err := f.Conn.Write(from)
	return n, f.why(err)
}

func (f *forward) why(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.failed != nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)) {
		return &problem.Error{What: "the connection to " + f.remote.String() + " was ended", Cause: f.failed}
	}
	return err
}

func (f *forward) RemoteAddr() net.Addr { return f.remote }

// Close ends the connection and waits for what carried it.
func (f *forward) Close() error {
	f.once.Do(func() {
		f.Conn.Close()
		f.connection.Close()
		f.copies.Wait()
	})
	return nil
}
