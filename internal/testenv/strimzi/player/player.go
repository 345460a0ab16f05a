//go:build linux

// Package player plays the Strimzi operator in a test cluster. From Kafka,
// KafkaNodePool, KafkaTopic and KafkaUser it makes what Strimzi makes: pods with
// their resources, claims and placement, so that the real scheduler places them;
// services, secrets, status. What the services lead to is a real Apache Kafka
// beside the cluster, with these topics, users and permissions. It acts while the
// operator's Deployment is available, and only then.
package player

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/pods"
)

// Namespace is where the operator runs and what it watches.
const Namespace = "kafka"

const (
	operator = "strimzi-cluster-operator" // its Deployment
	port     = 9093                       // of the listener tls
	image    = "quay.io/strimzi/kafka:1.2.0-kafka-4.3.1"
	poll     = 300 * time.Millisecond

	// revision annotates a pod with what it was made of.
	revision = "strimzi.io/revision"
)

// Runner leads connections to pods that others play; *pods.Runner does.
type Runner interface {
	Play(ctx context.Context, namespace, name string, ports map[int]pods.Dial) error
}

// Options say where to play.
type Options struct {
	Config *rest.Config // an admin of the cluster
	Runner Runner
	Log    func(format string, args ...any) // of what goes wrong; nil: nobody
}

// Player plays until Stop.
type Player struct {
	options Options
	client  kubernetes.Interface
	dynamic dynamic.Interface

	cancel context.CancelFunc
	done   chan struct{}
	last   string // what was logged last

	mu      sync.Mutex
	brokers *kafka.Cluster
	played  map[string]string // by pod: its UID, when connections were led to it
	admits  map[string]string // by user: as what it was let in
}

// Start begins to play.
func Start(options Options) (*Player, error) {
	config := rest.CopyConfig(options.Config)
	config.WarningHandler = rest.NoWarnings{} // that Strimzi's pods could be restricted more
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	dynamicClient, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	if options.Log == nil {
		options.Log = func(string, ...any) {}
	}
	p := &Player{options: options, client: client, dynamic: dynamicClient, done: make(chan struct{}), played: map[string]string{}, admits: map[string]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go p.run(ctx)
	return p, nil
}

// Stop ends the player and the Kafka.
func (p *Player) Stop() error {
	p.cancel()
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.brokers == nil {
		return nil
	}
	return p.brokers.Stop()
}

// Kafka reaches the brokers past the cluster and past permissions; it fails
// before there are any.
func (p *Player) Kafka() (platform.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.brokers == nil {
		return platform.Config{}, errors.New("there is no Kafka yet")
	}
	return p.brokers.Config(), nil
}

// KafkaAs reaches the brokers past the cluster, with a login.
func (p *Player) KafkaAs(username, password string) (platform.Config, error) {
	config, err := p.Kafka()
	if err != nil {
		return config, err
	}
	config = p.brokers.SASLConfig(platform.ScramSHA512)
	config.SASL.Username, config.SASL.Password = username, password
	return config, nil
}

// Logs returns the end of the brokers' logs.
func (p *Player) Logs() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.brokers == nil {
		return ""
	}
	return p.brokers.Logs()
}

func (p *Player) run(ctx context.Context) {
	defer close(p.done)
	for {
		if err := p.play(ctx); err != nil && ctx.Err() == nil && err.Error() != p.last {
			p.last = err.Error()
			p.options.Log("the Strimzi player: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(poll):
		}
	}
}

// kinds are Strimzi's.
func kind(plural string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "kafka.strimzi.io", Version: "v1", Resource: plural}
}

func (p *Player) list(ctx context.Context, plural string) ([]unstructured.Unstructured, error) {
	found, err := p.dynamic.Resource(kind(plural)).Namespace(Namespace).List(ctx, meta.ListOptions{})
	if apierrors.IsNotFound(err) { // the definition is not there
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return found.Items, nil
}

// play does once what there is to do.
func (p *Player) play(ctx context.Context) error {
	if err := p.volumes(ctx); err != nil { // the storage is not the operator's
		return err
	}
	available, err := p.available(ctx)
	if err != nil || !available {
		return err
	}
	kafkas, err := p.list(ctx, "kafkas")
	if err != nil {
		return err
	}
	if len(kafkas) == 0 {
		return p.abandon(ctx)
	}
	return p.cluster(ctx, &kafkas[0])
}

func (p *Player) available(ctx context.Context) (bool, error) {
	deployment, err := p.client.AppsV1().Deployments(Namespace).Get(ctx, operator, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil && deployment.Status.AvailableReplicas > 0, err
}

// abandon lets go of what was Kafka's: topics are deleted without it, and a new
// Kafka begins anew.
func (p *Player) abandon(ctx context.Context) error {
	if err := p.release(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.brokers == nil {
		return nil
	}
	err := p.brokers.Stop()
	p.brokers = nil
	clear(p.played)
	clear(p.admits)
	return err
}

// cluster makes one Kafka as it is wanted.
func (p *Player) cluster(ctx context.Context, of *unstructured.Unstructured) error {
	pools, err := p.pools(ctx, of.GetName())
	if err != nil {
		return err
	}
	nodes := nodesOf(pools)
	if len(brokersOf(nodes)) == 0 {
		return p.tell(ctx, "kafkas", of, notReady("there is no node pool with brokers"), nil)
	}
	if err := p.start(ctx, of.GetName(), nodes); err != nil {
		return p.tell(ctx, "kafkas", of, notReady(err.Error()), nil)
	}
	if err := p.fixtures(ctx, of, len(nodes)); err != nil {
		return err
	}
	waiting, err := p.pods(ctx, of, nodes)
	if err != nil {
		return err
	}
	for i := range pools {
		if err := p.tellPool(ctx, &pools[i], nodes); err != nil {
			return err
		}
	}
	if err := p.entities(ctx, of); err != nil {
		return err
	}
	if len(waiting) > 0 {
		return p.tell(ctx, "kafkas", of, notReady("waiting for "+strings.Join(waiting, ", ")), nil)
	}
	if err := p.topics(ctx); err != nil {
		return err
	}
	if err := p.users(ctx); err != nil {
		return err
	}
	return p.tell(ctx, "kafkas", of, ready(), map[string]any{
		"kafkaVersion": "4.3.1", "operatorLastSuccessfulVersion": "1.2.0",
		"listeners": []any{map[string]any{"name": "tls", "bootstrapServers": bootstrap(of.GetName()) + fmt.Sprintf(":%d", port)}},
	})
}

// start starts the real brokers, as many as the pools have, up to three.
func (p *Player) start(ctx context.Context, name string, nodes []node) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.brokers != nil {
		return nil
	}
	brokers := brokersOf(nodes)
	count := 1
	if len(brokers) >= 3 {
		count = 3
	}
	var advertised []string
	for _, broker := range brokers[:count] {
		advertised = append(advertised, fmt.Sprintf("%s:%d", broker.host(name), port))
	}
	var err error
	p.brokers, err = kafka.Start(ctx, kafka.Options{
		Brokers: count, TLS: true, SASL: true, Authorize: true, Advertise: advertised,
		Names: []string{bootstrap(name), bootstrap(name) + ".cluster.local", name + "-kafka-bootstrap." + Namespace, name + "-kafka-bootstrap"},
	})
	return err
}

func bootstrap(name string) string { return name + "-kafka-bootstrap." + Namespace + ".svc" }

// fixtures are the services, the secret of the CA and the disruption budget.
func (p *Player) fixtures(ctx context.Context, of *unstructured.Unstructured, nodes int) error {
	p.mu.Lock()
	authority, err := os.ReadFile(p.brokers.CAFile())
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return p.makeFixtures(ctx, of, nodes, authority)
}

// entities is the entity operator's Deployment, which kwok plays.
func (p *Player) entities(ctx context.Context, of *unstructured.Unstructured) error {
	if _, ok, _ := unstructured.NestedMap(of.Object, "spec", "entityOperator"); !ok {
		return nil
	}
	wanted := entityOperator(of)
	_, err := p.client.AppsV1().Deployments(Namespace).Create(ctx, wanted, meta.CreateOptions{})
	return ignoreExisting(err)
}

func ignoreExisting(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func owner(of *unstructured.Unstructured) []meta.OwnerReference {
	return []meta.OwnerReference{{APIVersion: of.GetAPIVersion(), Kind: of.GetKind(), Name: of.GetName(), UID: of.GetUID()}}
}
