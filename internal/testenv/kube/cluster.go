//go:build unix

package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/gamemetrics/gmctl/internal/testenv/certificate"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
)

// Pods with both labels of OwnImage run an image of the platform: kwok leaves
// them to whoever runs them.
const (
	PartOfLabel = "app.kubernetes.io/part-of"
	PartOf      = "gamemetrics"
	ImageLabel  = "gmctl.gamemetrics.io/image"
	OwnImage    = "own"
)

// Options says what cluster to start. The zero value has no nodes and accepts no
// EKS tokens.
type Options struct {
	EKS *EKS // whose tokens the API server accepts; AcceptEKS sets it later
	// MissingImages is a regular expression: pods that kwok plays and one of
	// whose images it matches fail to pull it.
	MissingImages string
}

// startTimeout bounds the start of a whole cluster, which takes a few seconds.
const startTimeout = 2 * time.Minute

// The addresses inside of a cluster. Nothing listens at them.
const (
	serviceRange = "10.100.0.0/16"
	apiServiceIP = "10.100.0.1" // of the Service kubernetes
	podRange     = "10.64.0.1/16"
)

// Cluster is a running Kubernetes.
type Cluster struct {
	Endpoint string // https://127.0.0.1:port
	CA       []byte // PEM; signed the API server's certificate
	Version  string // such as v1.35.4

	binaries  Binaries
	options   Options
	dir       string // keys, etcd's data, logs
	ports     ports
	admin     certificate.Pair
	webhook   *webhook
	processes []named // in the order they started
}

// named is a process of the cluster.
type named struct {
	name string
	*process.Process
}

// Start starts a cluster and returns when it takes pods. The caller stops it
// with Stop.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	binaries, err := Fetch(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	// another process may take a port between its choice and the server's bind
	const attempts = 3
	for attempt := 1; ; attempt++ {
		c, err := start(ctx, binaries, options)
		if err == nil || attempt == attempts || !strings.Contains(err.Error(), "address already in use") {
			return c, err
		}
	}
}

func start(ctx context.Context, binaries Binaries, options Options) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "gmctl-kube-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Version: binaries.Version, binaries: binaries, options: options, dir: dir}
	if err := c.launch(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) launch(ctx context.Context) error {
	var err error
	if c.ports, err = choosePorts(); err != nil {
		return err
	}
	c.Endpoint = fmt.Sprintf("https://127.0.0.1:%d", c.ports.api)
	if c.webhook, err = startWebhook(ctx, c.options.EKS); err != nil {
		return err
	}
	if err := c.prepare(); err != nil {
		return err
	}
	for _, step := range []func() error{c.startEtcd, c.startAPIServer} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := c.awaitAPI(ctx); err != nil {
		return err
	}
	together, togetherCtx := errgroup.WithContext(ctx)
	if err := errors.Join(c.startScheduler(), c.startControllerManager()); err != nil {
		return err
	}
	together.Go(func() error { return c.awaitServiceAccount(togetherCtx) })
	if err := errors.Join(c.installKwok(ctx), together.Wait()); err != nil {
		return err
	}
	return c.startKwok()
}

// AcceptEKS has the API server accept the tokens of an EKS cluster from now on,
// and no others: for one whose emulator is told of the endpoint when it starts.
func (c *Cluster) AcceptEKS(eks EKS) { c.webhook.accept(&eks) }

// AdminConfig reaches the cluster as a member of system:masters.
func (c *Cluster) AdminConfig() *rest.Config {
	return &rest.Config{
		Host: c.Endpoint,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: c.CA, CertData: c.admin.Certificate, KeyData: c.admin.Key,
		},
		// a test waits for the cluster, not for its own rate limit
		QPS: 500, Burst: 1000,
	}
}

// Kubeconfig is a file for kubectl with which it is the admin.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, "admin.kubeconfig") }

// Logs returns the end of every program's log.
func (c *Cluster) Logs() string {
	const lines = 15
	var logs strings.Builder
	for _, p := range c.processes {
		fmt.Fprintf(&logs, "%s:\n%s\n", p.name, p.LogTail(lines))
	}
	return logs.String()
}

// ended returns an error with the log of a program that has ended.
func (c *Cluster) ended() error {
	const lines = 20
	for _, p := range c.processes {
		if p.Ended() {
			return fmt.Errorf("%s has ended:\n%s", p.name, p.LogTail(lines))
		}
	}
	return nil
}

// Stop ends all programs, etcd last, and removes their data.
func (c *Cluster) Stop() error {
	for _, program := range slices.Backward(c.processes) {
		program.Kill()
	}
	c.processes = nil
	var err error
	if c.webhook != nil {
		err = c.webhook.stop()
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}
