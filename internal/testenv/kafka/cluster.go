package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
)

// Options says what cluster to start. The zero value is one broker with a
// plain listener.
type Options struct {
	Brokers   int  // 1 or 3; 0 means 1
	MinInSync int  // min.insync.replicas; 0 means 1, with three brokers 2
	TLS       bool // adds a TLS listener, with a private CA
	SASL      bool // adds a listener that asks for a login; with TLS another that wants both
	Authorize bool // those who log in may do only what an ACL grants
	HeapMiB   int  // of each broker; 0 means 256
	// Advertise is, by broker, the host:port that the listener with TLS and a login
	// gives to clients in place of its own, which lead there by themselves. Names
	// are further ones that its certificates hold.
	Advertise []string
	Names     []string
	// Through adds a plain listener that gives clients these host:port, one a
	// broker, in place of its own: those of links that can be disturbed.
	Through []string
	// Between and Quorum are the same for what brokers say to each other: as those
	// that replicate, and as the controllers that elect one of them.
	Between, Quorum []string
	// Wire is called when all ports are chosen and no broker runs yet: to make the
	// links that lead there. Nil: there are none.
	Wire func(*Cluster) error
	// Optimize lets the JVM compile for throughput instead of a quick start:
	// for benchmarks.
	Optimize bool
}

// names are those that the certificates hold besides the machine's own.
func (o Options) names() []string {
	names := slices.Clone(o.Names)
	for _, address := range o.Advertise {
		host, _, _ := strings.Cut(address, ":")
		names = append(names, host)
	}
	return names
}

// The login of a cluster with a SASL listener, by any mechanism.
const (
	User     = "gamer"
	Password = "correct-horse"
)

// startTimeout bounds the start of a whole cluster on a machine that has much else to
// do; 2 s is usual for one broker and 6 s for three.
const startTimeout = 3 * time.Minute

// Cluster is a running Kafka. Its methods may not be called concurrently.
type Cluster struct {
	Distribution *Distribution
	options      Options
	dir          string
	brokers      []*broker
}

// Start starts a cluster and returns when all its brokers answer. The caller
// stops it with Stop.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	if options.Brokers == 0 {
		options.Brokers = 1
	}
	if options.MinInSync == 0 {
		options.MinInSync = (options.Brokers + 1) / 2
	}
	if options.HeapMiB == 0 {
		options.HeapMiB = 256
	}
	distribution, err := Fetch(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	// another process may take a port between its choice and the broker's bind
	const attempts = 3
	for attempt := 1; ; attempt++ {
		c, err := start(ctx, distribution, options)
		if err == nil || attempt == attempts || !strings.Contains(err.Error(), "Address already in use") {
			return c, err
		}
	}
}

func start(ctx context.Context, distribution *Distribution, options Options) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "gmctl-kafka-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Distribution: distribution, options: options, dir: dir}
	if err := c.launch(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) launch(ctx context.Context) error {
	if c.options.TLS {
		if err := writeCertificates(c.dir, c.options.names()); err != nil {
			return err
		}
	}
	var err error
	if c.brokers, err = newBrokers(c.dir, c.options); err != nil {
		return err
	}
	if c.options.Wire != nil {
		if err := c.options.Wire(c); err != nil {
			return err
		}
	}
	clusterID := strings.ReplaceAll(uuid.NewString(), "-", "")[:22]
	each, eachCtx := errgroup.WithContext(ctx)
	for _, b := range c.brokers {
		each.Go(func() error {
			if err := b.format(eachCtx, c.Distribution, clusterID, c.options); err != nil {
				return err
			}
			return b.start(c.Distribution, c.options)
		})
	}
	if err := each.Wait(); err != nil {
		return err
	}
	return c.AwaitBrokers(ctx)
}

// Count is how many brokers there are.
func (c *Cluster) Count() int { return len(c.brokers) }

// SASLTLSAddress is where broker i (from 0) listens for TLS and a login.
func (c *Cluster) SASLTLSAddress(i int) string { return c.seeds(saslTLSListener)[i] }

// ThroughAddress is where broker i (from 0) listens for what comes through its link.
func (c *Cluster) ThroughAddress(i int) string { return c.seeds(throughListener)[i] }

// BetweenAddress is where broker i (from 0) listens for the other brokers.
func (c *Cluster) BetweenAddress(i int) string { return c.seeds(betweenListener)[i] }

// QuorumAddress is where broker i (from 0) listens as a controller.
func (c *Cluster) QuorumAddress(i int) string { return c.brokers[i].controllerAddress() }

// Config reaches the plain listener.
func (c *Cluster) Config() platform.Config { return platform.Config{Brokers: c.seeds(plainListener)} }

// TLSConfig reaches the TLS listener.
func (c *Cluster) TLSConfig() platform.Config {
	return platform.Config{Brokers: c.seeds(tlsListener), TLS: &platform.TLS{CAFile: c.CAFile()}}
}

// CAFile is the certificate of the CA that signed those of the TLS listeners.
func (c *Cluster) CAFile() string { return filepath.Join(c.dir, caFile) }

// SASLConfig reaches the SASL listener with the mechanism.
func (c *Cluster) SASLConfig(mechanism string) platform.Config {
	return platform.Config{Brokers: c.seeds(saslListener), SASL: login(mechanism)}
}

// SASLTLSConfig reaches the listener that wants TLS and a login.
func (c *Cluster) SASLTLSConfig(mechanism string) platform.Config {
	return platform.Config{Brokers: c.seeds(saslTLSListener), SASL: login(mechanism), TLS: &platform.TLS{CAFile: c.CAFile()}}
}

func login(mechanism string) *platform.SASL {
	return &platform.SASL{Mechanism: mechanism, Username: User, Password: Password}
}

func (c *Cluster) seeds(listener string) []string {
	var seeds []string
	for _, b := range c.brokers {
		for _, l := range b.listeners {
			if l.Name == listener {
				seeds = append(seeds, fmt.Sprintf("127.0.0.1:%d", l.Port))
			}
		}
	}
	return seeds
}

// AwaitBrokers returns when every broker that runs has joined the cluster, or
// with the log of one that ended.
func (c *Cluster) AwaitBrokers(ctx context.Context) error {
	client, err := platform.NewClient(c.Config(), kgo.DialTimeout(time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		running := 0
		for _, b := range c.brokers {
			if b.process == nil {
				continue
			}
			if b.process.Ended() {
				return fmt.Errorf("broker %d ended: %s", b.id, b.logTail())
			}
			running++
		}
		seen, err := platform.Brokers(ctx, client)
		if err == nil && len(seen.Brokers) == running && seen.Controller >= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("Kafka did not become ready: %w", ctx.Err()), err)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// Kill ends broker i (from 0) as a power cut would.
func (c *Cluster) Kill(i int) { c.brokers[i].stop() }

// Pause stops broker i without closing its connections; Resume lets it go on.
func (c *Cluster) Pause(i int) error { return c.brokers[i].process.Pause() }

// Resume undoes Pause.
func (c *Cluster) Resume(i int) error { return c.brokers[i].process.Resume() }

// Restart starts brokers (from 0) after Kill, with their data and their ports, and
// returns when they have joined the cluster again.
func (c *Cluster) Restart(ctx context.Context, brokers ...int) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, i := range brokers {
		if err := c.brokers[i].start(c.Distribution, c.options); err != nil {
			return err
		}
	}
	return c.AwaitBrokers(ctx)
}

// Logs returns the end of every broker's log.
func (c *Cluster) Logs() string {
	var logs strings.Builder
	for _, b := range c.brokers {
		fmt.Fprintf(&logs, "broker %d:\n%s\n", b.id, b.logTail())
	}
	return logs.String()
}

// Stop ends all brokers and removes their data.
func (c *Cluster) Stop() error {
	for _, b := range c.brokers {
		b.stop()
	}
	return os.RemoveAll(c.dir)
}
