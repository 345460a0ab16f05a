package environment

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gamemetrics/gmctl/internal/apikey"
	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/paths"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/stage/cluster"
	"github.com/gamemetrics/gmctl/internal/stage/image"
	"github.com/gamemetrics/gmctl/internal/stage/infra"
	"github.com/gamemetrics/gmctl/internal/stage/objects"
	"github.com/gamemetrics/gmctl/internal/stage/secrets"
	"github.com/gamemetrics/gmctl/internal/stage/smoke"
)

// awsPlatform is a platform in an AWS account. What its stages learn of each
// other goes through the functions of awsfacts.go, which ask anew each time:
// a stage's answer changes while the stages before it work.
type awsPlatform struct {
	name    string
	dirs    paths.Dirs
	config  config.AWS
	options Options

	session    func(context.Context) (*awscloud.Session, error)
	infra      *infra.Stage
	image      *image.Stage
	secrets    *secrets.Stage
	cluster    clusterClient
	whole      wholeTree
	renderings renderings
	passage    *passageTo // nil: the database was not asked for
}

var _ platform = (*awsPlatform)(nil)

func newAWSPlatform(name string, dirs paths.Dirs, cfg config.AWS, options Options) *awsPlatform {
	p := &awsPlatform{name: name, dirs: dirs, config: cfg, options: options}
	p.session = remember(func(ctx context.Context) (*awscloud.Session, error) {
		return awscloud.Open(ctx, awscloud.Options{Region: cfg.Region, Profile: cfg.Profile})
	})
	p.infra = infra.New(infra.Options{
		Open: p.session, Dir: filepath.Join(dirs.Data, "terraform"),
		Project: cfg.Project, Environment: name, ID: environmentID(cfg.Region, cfg.Project, name),
		Template: cfg.Template, Variables: variables(cfg), Env: credentialsEnv(cfg),
		LocalState: cfg.State == config.StateLocal, Unprotect: options.Unprotect, Preview: options.Preview,
	})
	p.image = image.New(image.Options{
		Open: p.session, Outputs: p.infra.Outputs, Source: cfg.Image.Source, Cache: filepath.Join(dirs.Cache, "image"),
	})
	p.secrets = secrets.New(secrets.Options{
		Vault:   func(ctx context.Context) (secrets.Vault, error) { return p.session(ctx) },
		Cluster: opened[secrets.Cluster](p), Copies: p.secretCopies, Names: secretNames(), Made: secretsMade(),
	})
	return p
}

// environmentID stands in the tags of all that is the environment's. It is made
// of what makes the environment's names unique in its account, so that it is the
// same wherever gmctl runs, and what is left over is found even where the state
// is lost.
func environmentID(region, project, name string) string {
	sum := sha256.Sum256([]byte(region + "/" + project + "/" + name))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10])) // 16 of a-z and 2-7
}

func (p *awsPlatform) nodes() []engine.Node {
	return []engine.Node{
		{Name: "infra", About: "what Terraform manages: network, cluster, database, cache, buckets", Stage: p.preflight()},
		{Name: "image", About: "gmctl's own image in the registry", Needs: []string{"infra"}, Stage: p.image},
		{Name: "cluster", About: "a Kubernetes that answers, and its nodes", Needs: []string{"infra"},
			Stage: cluster.New(cluster.Options{Kube: opened[cluster.Kubernetes](p), Groups: p.smallestGroups()})},
		{Name: "namespaces", About: "namespaces and storage classes", Needs: []string{"cluster"}, Stage: p.set(setPlatform)},
		{Name: "secrets", About: "from Secrets Manager into Kubernetes", Needs: []string{"namespaces"}, Stage: p.secrets},
		{Name: "operators", About: "what runs Kafka and measures pods", Needs: []string{"namespaces"}, Stage: p.set(setOperators)},
		{Name: "kafka", About: "the event bus: brokers, topics, users", Needs: []string{"operators", "secrets"}, Stage: p.set(setKafka)},
		{Name: "apps", About: "ingestion, relay, Kafka UI", Needs: []string{"kafka", "image", "secrets"}, Stage: p.set(setApps)},
		{Name: "smoke", About: "an event all the way through", Needs: []string{"apps"}, Stage: smoke.New(p.smokeTarget)},
	}
}

// set is the stage of the Kubernetes objects of an overlay.
func (p *awsPlatform) set(name string) engine.Stage {
	return objects.New(objects.Options{
		Set: name, Cluster: opened[objects.Cluster](p), Render: p.render(name), Preview: p.preview(name),
	})
}

// smallestGroups is how many nodes each group must have at least.
func (p *awsPlatform) smallestGroups() map[string]int {
	groups := make(map[string]int, len(p.config.NodeGroups))
	for name, group := range p.config.NodeGroups {
		groups[name] = group.Min
	}
	return groups
}

// who is the ARN of the caller; without one the stages say what is wrong.
func (p *awsPlatform) who(ctx context.Context) string {
	session, err := p.session(ctx)
	if err != nil {
		return ""
	}
	return session.Caller
}

// ingestion is an address on this machine that leads into the cluster until ctx
// ends, and the key that the schema Job has made known there.
func (p *awsPlatform) ingestion(ctx context.Context) (found Ingestion, err error) {
	client, err := p.kube(ctx)
	if err != nil {
		return found, p.notUp(err)
	}
	secret, err := client.Secret(ctx, appsNamespace, platformKeySecret)
	if err != nil {
		return found, err
	}
	if secret != nil { // an environment that an older gmctl made needs none
		found.Key = apikey.Read(string(secret.Data[platformKeyField]))
	}
	address, err := forward(ctx, dialService(client, appsNamespace, ingestionService, ingestionPort))
	found.URL = "http://" + address
	return found, err
}

// database is reached through a pod of its own, as the owner. His password comes from
// Secrets Manager: RDS changes it every week, and the copy in the cluster follows
// with the next up. The channel binding has the server prove that it knows that
// password, and that the connection is encrypted to it and no one on the way.
func (p *awsPlatform) database(ctx context.Context, report engine.Reporter) (Database, error) {
	outputs, err := p.outputs(ctx)
	if err != nil {
		return Database{}, p.notUp(err)
	}
	session, err := p.session(ctx)
	if err != nil {
		return Database{}, err
	}
	login, err := session.Secret(ctx, outputs.Database.MasterSecret)
	if err != nil {
		return Database{}, err
	}
	client, err := p.kube(ctx)
	if err != nil {
		return Database{}, p.notUp(err)
	}
	p.passage = &passageTo{client: client}
	if err := p.passage.open(ctx, report); err != nil {
		return Database{}, p.notUp(err)
	}
	address := url.URL{
		Scheme: "postgres", User: url.UserPassword(login.Fields["username"], login.Fields["password"]),
		Host: net.JoinHostPort(outputs.Database.Address, strconv.Itoa(outputs.Database.Port)), Path: "/" + outputs.Database.Name,
		RawQuery: "sslmode=require&channel_binding=require&connect_timeout=20",
	}
	return Database{URL: address.String(), Dial: p.passage.dial}, nil
}

// close deletes the pod that led to the database, if there was one.
func (p *awsPlatform) close(ctx context.Context) error {
	if p.passage == nil {
		return nil
	}
	return p.passage.close(ctx)
}

// kafka is reached by its brokers' own names through the Kubernetes API.
func (p *awsPlatform) kafka(ctx context.Context) (kafka.Config, error) {
	client, err := p.kube(ctx)
	if err != nil {
		return kafka.Config{}, p.notUp(err)
	}
	authority, err := kafkaCA(ctx, client)
	if err != nil {
		return kafka.Config{}, p.notUp(err)
	}
	login, err := client.Secret(ctx, appsNamespace, kafkaSecret)
	if err != nil {
		return kafka.Config{}, err
	}
	if login == nil {
		return kafka.Config{}, &problem.Error{
			What: "the login to Kafka is not in the cluster", Next: "bring it there: gmctl up -e " + p.name + " --only secrets", Kind: problem.Unhealthy,
		}
	}
	return kafka.Config{
		Brokers: []string{kafkaBootstrap},
		TLS:     &kafka.TLS{CA: authority},
		SASL:    &kafka.SASL{Mechanism: kafka.ScramSHA512, Username: string(login.Data["username"]), Password: string(login.Data["password"])},
		Dial:    dialBroker(client),
	}, nil
}

func (p *awsPlatform) smokeTarget(ctx context.Context) (smoke.Target, error) {
	var target smoke.Target
	reference, err := p.image.Reference(ctx)
	if err != nil {
		return target, err
	}
	outputs, err := p.infra.Outputs(ctx)
	if err != nil {
		return target, err
	}
	versions, err := p.secrets.Versions(ctx)
	if err != nil {
		return target, err
	}
	client, err := p.kube(ctx)
	if err != nil {
		return target, err
	}
	running, err := client.Containers(ctx, appsNamespace)
	if err != nil {
		return target, err
	}
	if len(running) == 0 {
		return target, kube.ErrNotThere
	}
	target.Instance = fmt.Sprint(reference, outputs.Cluster.Endpoint, outputs.Database.Address, versions)
	if target.Kafka, err = p.kafka(ctx); err != nil {
		return target, err
	}
	ingestion, err := p.ingestion(ctx)
	target.IngestionURL, target.Key = ingestion.URL, ingestion.Key
	return target, err
}

// notUp says what to do where something is not there because up did not come to it.
func (p *awsPlatform) notUp(err error) error {
	if isNotThere(err) {
		return &problem.Error{What: "the environment " + p.name + " is not up", Next: "bring it up: gmctl up -e " + p.name, Kind: problem.Unhealthy}
	}
	return err
}

// removable looks at what protects the database: it goes last, and would end a
// teardown when all before it is gone.
func (p *awsPlatform) removable(ctx context.Context) error { return p.infra.Removable(ctx) }

// clear removes Terraform's workspace. The journal stays: it is the audit trail
// of an account that others use too.
func (p *awsPlatform) clear() error {
	if err := os.RemoveAll(p.dirs.Data); err != nil {
		return &problem.Error{What: "not all files of the environment could be removed", Cause: err, Next: "remove " + p.dirs.Data}
	}
	return nil
}

// follow has nothing to stay with: nothing of the environment runs here.
func (p *awsPlatform) follow(context.Context) error {
	return &problem.Error{What: "the environment " + p.name + " does not run on this machine", Next: "leave out --foreground", Kind: problem.Usage}
}
