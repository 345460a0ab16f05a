//go:build linux

package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/aws"
	"github.com/gamemetrics/gmctl/internal/testenv/kube"
	"github.com/gamemetrics/gmctl/internal/testenv/nodegroups"
	"github.com/gamemetrics/gmctl/internal/testenv/pods"
	"github.com/gamemetrics/gmctl/internal/testenv/strimzi"
	"github.com/gamemetrics/gmctl/internal/testenv/strimzi/player"
)

// ClusterName is the EKS cluster of the environment that the account is for: the
// API server takes tokens for no other.
const ClusterName = "gamemetrics-dev"

// Account is a pretended AWS account.
type Account struct {
	AWS       *aws.Account
	Kube      *kube.Cluster
	Manifests string // folder to name as manifests in gmctl.yaml

	dir      string
	nodes    *nodegroups.Controller
	pods     *pods.Runner
	operator *player.Player
	database *database
	stops    []func() error // what Stop does, last first

	mu   sync.Mutex
	said strings.Builder // by the parts, of what went wrong in them
}

// Start starts an account in which nothing is yet; the caller stops it.
func Start(ctx context.Context) (*Account, error) {
	dir, err := os.MkdirTemp("", "gmctl-rehearsal-account-")
	if err != nil {
		return nil, err
	}
	a := &Account{dir: dir, Manifests: filepath.Join(dir, "k8s")}
	a.stops = append(a.stops, func() error { return os.RemoveAll(dir) })
	if err := a.start(ctx); err != nil {
		return nil, errors.Join(err, a.Stop())
	}
	return a, nil
}

func (a *Account) start(ctx context.Context) error {
	if err := a.manifests(ctx); err != nil {
		return fmt.Errorf("the manifests: %w", err)
	}
	var err error
	if a.Kube, err = kube.Start(ctx, kube.Options{MissingImages: `\.invalid/`}); err != nil {
		return fmt.Errorf("Kubernetes: %w", err)
	}
	a.stops = append(a.stops, a.Kube.Stop)
	if a.AWS, err = aws.Start(ctx, aws.EKS(a.Kube.Endpoint, a.Kube.CA), aws.ExternalNodes()); err != nil {
		return fmt.Errorf("the AWS API: %w", err)
	}
	a.stops = append(a.stops, a.AWS.Stop)
	a.Kube.AcceptEKS(kube.EKS{Cluster: ClusterName, STSEndpoint: a.AWS.Endpoint, Account: aws.AccountID})
	if a.nodes, err = nodegroups.Start(nodegroups.Options{AWS: a.AWS.Endpoint, Kube: a.Kube.AdminConfig(), EvictionTimeout: time.Minute}); err != nil {
		return fmt.Errorf("the node groups: %w", err)
	}
	a.stops = append(a.stops, func() error { a.nodes.Stop(); return nil })
	if a.database, err = startDatabase(ctx, a.AWS.Endpoint, aws.Region, aws.AccountID, a.log); err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	a.stops = append(a.stops, a.database.stop)
	if a.pods, err = pods.Start(ctx, pods.Options{
		Config: a.Kube.AdminConfig(), Log: a.log,
		Routes: []pods.Route{{Host: databaseHost, Port: databasePort, Dial: pods.To(fmt.Sprintf("127.0.0.1:%d", a.database.server.Port()))}},
	}); err != nil {
		return fmt.Errorf("the pods: %w", err)
	}
	a.stops = append(a.stops, a.pods.Stop)
	if a.operator, err = player.Start(player.Options{Config: a.Kube.AdminConfig(), Runner: a.pods, Log: a.log}); err != nil {
		return fmt.Errorf("the Strimzi player: %w", err)
	}
	a.stops = append(a.stops, a.operator.Stop)
	return nil
}

// DatabaseURL is how the master of the RDS instance connects, past the cluster.
func (a *Account) DatabaseURL() (string, error) { return a.database.url() }

// Kafka reaches the brokers past the cluster, and may do everything.
func (a *Account) Kafka() (kafka.Config, error) { return a.operator.Kafka() }

// KafkaAs reaches the brokers past the cluster, with a login.
func (a *Account) KafkaAs(username, password string) (kafka.Config, error) {
	return a.operator.KafkaAs(username, password)
}

// Logs returns what the parts said of what went wrong in them.
func (a *Account) Logs() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.operator == nil {
		return a.said.String()
	}
	return a.said.String() + a.operator.Logs()
}

func (a *Account) log(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintf(&a.said, format+"\n", args...)
}

func (a *Account) manifests(ctx context.Context) error {
	var folders map[string]string
	var crds []string
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { folders, err = sources(ctx); return err })
	group.Go(func() (err error) { crds, err = strimzi.CRDs(ctx); return err })
	if err := group.Wait(); err != nil {
		return err
	}
	return writeManifests(a.Manifests, crds, folders)
}

// Env returns environment variables, as name=value, that lead gmctl, Terraform
// and any AWS tool to the account.
func (a *Account) Env() ([]string, error) {
	terraform, err := aws.TerraformEnv(a.dir)
	return append(a.AWS.Env(), terraform...), err
}

// Stop ends all of it and leaves nothing behind.
func (a *Account) Stop() error {
	var errs []error
	for _, stop := range slices.Backward(a.stops) {
		errs = append(errs, stop())
	}
	a.stops = nil
	return errors.Join(errs...)
}
