package environment

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/manifests"
	"github.com/gamemetrics/gmctl/internal/stage/secrets"
	"github.com/gamemetrics/gmctl/internal/terraform"
)

// What the manifests call the things that gmctl itself talks to.
const (
	appsNamespace    = "gamemetrics"
	ingestionService = "ingestion"
	ingestionPort    = 8080
	kafkaNamespace   = "kafka"
	kafkaBootstrap   = "gamemetrics-kafka-bootstrap.kafka.svc:9093"
	kafkaCASecret    = "gamemetrics-cluster-ca-cert"
	kafkaSecret      = "kafka" // in the namespace of the apps

	// The API key with which gmctl itself sends events, in the namespace of the apps.
	platformKeySecret = "platform-key"
	platformKeyField  = "key"
)

// isNotThere reports whether an error is that an earlier stage is still to do.
func isNotThere(err error) bool {
	return errors.Is(err, kube.ErrNotThere) || errors.Is(err, terraform.ErrNothingThere)
}

// outputs are those of the infrastructure, or kube.ErrNotThere.
func (p *awsPlatform) outputs(ctx context.Context) (*terraform.Outputs, error) {
	outputs, err := p.infra.Outputs(ctx)
	if errors.Is(err, terraform.ErrNothingThere) || errors.Is(err, terraform.ErrIncomplete) {
		return nil, kube.ErrNotThere
	}
	return outputs, err
}

// clusterClient is a client of the cluster that the outputs last named.
type clusterClient struct {
	mutex    sync.Mutex
	endpoint string
	client   *kube.Client
}

// kube opens the cluster, or returns kube.ErrNotThere where the infrastructure
// has none yet or no more.
func (p *awsPlatform) kube(ctx context.Context) (*kube.Client, error) {
	outputs, err := p.outputs(ctx)
	if err != nil {
		return nil, err
	}
	p.cluster.mutex.Lock()
	defer p.cluster.mutex.Unlock()
	if p.cluster.client != nil && p.cluster.endpoint == outputs.Cluster.Endpoint {
		return p.cluster.client, nil
	}
	authority, err := authorityOf(outputs)
	if err != nil {
		return nil, err
	}
	client, err := kube.Open(kube.Config{Host: outputs.Cluster.Endpoint, CA: authority, Token: p.clusterToken(outputs.Cluster.Name)})
	if err != nil {
		return nil, err
	}
	p.cluster.client, p.cluster.endpoint = client, outputs.Cluster.Endpoint
	return client, nil
}

// clusterToken returns what makes tokens, each used until shortly before it expires.
func (p *awsPlatform) clusterToken(name string) func(context.Context) (string, error) {
	const reserve = time.Minute
	var mutex sync.Mutex
	var token string
	var expires time.Time
	return func(ctx context.Context) (string, error) {
		mutex.Lock()
		defer mutex.Unlock()
		if token != "" && time.Until(expires) > reserve {
			return token, nil
		}
		session, err := p.session(ctx)
		if err != nil {
			return "", err
		}
		token, expires, err = session.ClusterToken(ctx, name)
		return token, err
	}
}

func (p *awsPlatform) kubernetes(ctx context.Context) (Cluster, error) {
	outputs, err := p.outputs(ctx)
	if err != nil {
		return Cluster{}, p.notUp(err)
	}
	authority, err := authorityOf(outputs)
	if err != nil {
		return Cluster{}, err
	}
	return Cluster{
		Name: outputs.Cluster.Name, Endpoint: outputs.Cluster.Endpoint, CA: authority, Env: credentialsEnv(p.config),
		Token: func(ctx context.Context) (string, time.Time, error) {
			session, err := p.session(ctx)
			if err != nil {
				return "", time.Time{}, err
			}
			return session.ClusterToken(ctx, outputs.Cluster.Name)
		},
	}, nil
}

// authorityOf is what signs the certificate of the Kubernetes API, as PEM.
func authorityOf(outputs *terraform.Outputs) ([]byte, error) {
	authority, err := base64.StdEncoding.DecodeString(outputs.Cluster.CertificateAuthority)
	if err != nil {
		return nil, fmt.Errorf("the certificate authority of the cluster %s: %w", outputs.Cluster.Name, err)
	}
	return authority, nil
}

// opened returns p.kube as a stage wants it: as its own interface.
func opened[Interface any](p *awsPlatform) func(context.Context) (Interface, error) {
	return func(ctx context.Context) (Interface, error) {
		var none Interface
		client, err := p.kube(ctx)
		if err != nil {
			return none, err
		}
		return any(client).(Interface), nil
	}
}

// values are what earlier stages know. Kafka's CA is asked for where it is
// needed: Kafka makes it.
func (p *awsPlatform) values(ctx context.Context, overlay string) (manifests.Values, error) {
	outputs, err := p.outputs(ctx)
	if err != nil {
		return manifests.Values{}, err
	}
	values := manifests.Values{
		Region:   outputs.Environment.Region,
		Database: manifests.Database{Host: outputs.Database.Address, Port: outputs.Database.Port, Name: outputs.Database.Name},
		Redis:    manifests.Redis{Host: outputs.Redis.Address, Port: outputs.Redis.Port},
		Tracing:  manifests.Tracing{Endpoint: p.config.Tracing.Endpoint, Percent: p.config.Tracing.Percent},
		Tags: map[string]string{
			"Project": p.config.Project, "Environment": p.name, "EnvironmentId": outputs.Environment.ID, "ManagedBy": "gmctl",
		},
	}
	if overlay != setApps && overlay != setKafka {
		return values, nil
	}
	if values.SecretVersions, err = p.secrets.Versions(ctx); err != nil || overlay == setKafka {
		return values, err
	}
	if values.Image, err = p.image.Reference(ctx); err != nil {
		return values, err
	}
	client, err := p.kube(ctx)
	if err != nil {
		return values, err
	}
	values.KafkaCA, err = kafkaCA(ctx, client)
	return values, err
}

// secretNames are the secrets that the manifests read.
func secretNames() []secrets.Copy {
	login := []string{"username", "password"}
	return []secrets.Copy{
		// RDS gives its master a new password every week.
		{Namespace: appsNamespace, Name: "database-master", Fields: login, UpOnly: true},
		{Namespace: appsNamespace, Name: "database", Fields: login},
		{Namespace: appsNamespace, Name: "redis", Fields: []string{"token"}},
		{Namespace: appsNamespace, Name: kafkaSecret, Fields: login},
		{Namespace: kafkaNamespace, Name: "gamemetrics-kafka-password", Fields: []string{"password"}},
	}
}

// secretsMade are those that live in the cluster alone. Who deletes one has it made
// anew by the next up.
func secretsMade() []secrets.Made {
	return []secrets.Made{{
		Namespace: appsNamespace, Name: platformKeySecret, Field: platformKeyField,
		New: func() string { return apikey.New().Reveal() },
	}}
}

// secretCopies are the secrets with where they come from.
func (p *awsPlatform) secretCopies(ctx context.Context) ([]secrets.Copy, error) {
	outputs, err := p.outputs(ctx)
	if err != nil {
		return nil, err
	}
	copies := secretNames()
	for i, source := range []string{
		outputs.Database.MasterSecret, outputs.Secrets.Database, outputs.Redis.AuthSecret, outputs.Secrets.Kafka, outputs.Secrets.Kafka,
	} {
		copies[i].Source = source
	}
	return copies, nil
}

// kafkaCA is what signs the certificates of Kafka, as PEM, or kube.ErrNotThere.
func kafkaCA(ctx context.Context, client *kube.Client) (string, error) {
	secret, err := client.Secret(ctx, kafkaNamespace, kafkaCASecret)
	if err != nil {
		return "", err
	}
	if secret == nil || len(secret.Data["ca.crt"]) == 0 {
		return "", kube.ErrNotThere
	}
	return string(secret.Data["ca.crt"]), nil
}

func dialService(client *kube.Client, namespace, service string, port int) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return client.Dial(ctx, namespace, service, port) }
}

// dialBroker connects to what Kafka calls its brokers, POD.SERVICE.NAMESPACE.svc
// (a headless service), and to its bootstrap service, SERVICE.NAMESPACE.svc.
func dialBroker(client *kube.Client) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		host, portText, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		port, err := strconv.Atoi(portText)
		if err != nil {
			return nil, err
		}
		labels := strings.Split(strings.TrimSuffix(host, ".cluster.local"), ".")
		switch len(labels) {
		case 3: // SERVICE.NAMESPACE.svc
			return client.Dial(ctx, labels[1], labels[0], port)
		case 4: // POD.SERVICE.NAMESPACE.svc
			return client.DialPod(ctx, labels[2], labels[0], port)
		}
		return nil, fmt.Errorf("%s is no name in a cluster", host)
	}
}
