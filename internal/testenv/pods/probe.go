//go:build linux

package pods

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// action is what a probe or a hook does: at most one of its fields is set.
type action struct {
	exec  *core.ExecAction
	http  *core.HTTPGetAction
	tcp   *core.TCPSocketAction
	sleep *core.SleepAction
}

func ofProbe(p *core.Probe) action { return action{exec: p.Exec, http: p.HTTPGet, tcp: p.TCPSocket} }

func ofHook(h *core.LifecycleHandler) action {
	return action{exec: h.Exec, http: h.HTTPGet, tcp: h.TCPSocket, sleep: h.Sleep}
}

// do performs an action against a running container. Its error is the message
// that a kubelet would give.
func (c *container) do(ctx context.Context, a action, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch {
	case a.http != nil:
		return c.get(ctx, a.http)
	case a.tcp != nil:
		port, err := c.port(a.tcp.Port)
		if err != nil {
			return err
		}
		conn, err := c.pod.sandbox.dial(ctx, port)
		if err != nil {
			return err
		}
		return conn.Close()
	case a.exec != nil:
		return c.execute(a.exec.Command, timeout)
	case a.sleep != nil:
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(a.sleep.Seconds) * time.Second):
		}
		return nil
	}
	return errors.New("the testbed has no probes of this kind")
}

func (c *container) get(ctx context.Context, a *core.HTTPGetAction) error {
	port, err := c.port(a.Port)
	if err != nil {
		return err
	}
	host := a.Host
	if host == "" {
		host = c.pod.address
	}
	target, err := url.Parse(a.Path)
	if err != nil {
		return err
	}
	target.Scheme, target.Host = strings.ToLower(string(a.Scheme)), net.JoinHostPort(host, strconv.Itoa(port))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "kube-probe/gmctl")
	for _, header := range a.HTTPHeaders {
		request.Header.Add(header.Name, header.Value)
		if strings.EqualFold(header.Name, "Host") {
			request.Host = header.Value
		}
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // as a kubelet's
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return c.pod.sandbox.dial(ctx, port)
		},
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode < http.StatusOK || response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("HTTP probe failed with statuscode: %d", response.StatusCode)
	}
	return nil
}

func (c *container) port(wanted intstr.IntOrString) (int, error) {
	if wanted.Type == intstr.Int {
		return wanted.IntValue(), nil
	}
	for _, port := range c.spec.Ports {
		if port.Name == wanted.StrVal {
			return int(port.ContainerPort), nil
		}
	}
	return 0, fmt.Errorf("couldn't find port: %s", wanted.StrVal)
}

func (c *container) execute(command []string, timeout time.Duration) error {
	c.mu.Lock()
	running, prepared := c.process, c.program
	c.mu.Unlock()
	if running == nil {
		return errors.New("the container does not run")
	}
	var output bytes.Buffer
	prepared.args, prepared.output, prepared.errors = command, &output, &output
	if err := running.exec(prepared, timeout); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(output.String()))
	}
	return nil
}

// probe runs a probe until ctx ends and tells report of each result that counts:
// true after its success threshold, false with the reason after its failure
// threshold.
func (c *container) probe(ctx context.Context, kind string, p *core.Probe, report func(ok bool)) {
	period, timeout := seconds(p.PeriodSeconds, 10), seconds(p.TimeoutSeconds, 1)
	wait := seconds(p.InitialDelaySeconds, 0)
	good, bad := 0, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = period
		err := c.do(ctx, ofProbe(p), timeout)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			good, bad = 0, bad+1
			c.pod.event(core.EventTypeWarning, "Unhealthy", "%s probe failed: %v", kind, err)
		} else {
			good, bad = good+1, 0
		}
		switch {
		case good >= max(int(p.SuccessThreshold), 1):
			report(true)
		case bad >= atLeast(p.FailureThreshold, 3):
			report(false)
		}
	}
}

func seconds(n int32, otherwise int) time.Duration {
	return time.Duration(atLeast(n, otherwise)) * time.Second
}

func atLeast(n int32, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return int(n)
}
