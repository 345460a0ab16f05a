//go:build linux

package player_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kube"
	"github.com/gamemetrics/gmctl/internal/manifests"
	"github.com/gamemetrics/gmctl/internal/testenv"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
	testkube "github.com/gamemetrics/gmctl/internal/testenv/kube"
	"github.com/gamemetrics/gmctl/internal/testenv/pods"
	"github.com/gamemetrics/gmctl/internal/testenv/strimzi"
	"github.com/gamemetrics/gmctl/internal/testenv/strimzi/player"
	"github.com/gamemetrics/gmctl/k8s"
)

const password = "of-the-secret"

// The life of the Kafka of a dev environment, from the objects that gmctl applies
// there: each part goes on from the one before.
func TestAKafkaLivesAsWithStrimzi(t *testing.T) {
	p := open(t)
	p.apply("platform", p.rendered("platform")...)
	p.apply("strimzi", p.definitions()...)
	p.create(&core.Secret{ObjectMeta: meta.ObjectMeta{Name: "gamemetrics-kafka-password"}, StringData: map[string]string{"password": password}})
	wanted := p.rendered("kafka")
	p.apply("kafka", wanted...)

	time.Sleep(time.Second) // several looks of the player
	if found := p.pods(); len(found) > 0 {
		t.Fatalf("without an operator there are %v", found)
	}
	p.operate()
	if err := p.kube.Wait(t.Context(), wanted, quiet{}); err != nil {
		t.Fatal(err)
	}

	p.looksLikeStrimzi()
	p.letsUsersIn()
	p.followsChanges()
	p.goes()
}

// looksLikeStrimzi holds what is there against what Strimzi would have made.
func (p *place) looksLikeStrimzi() {
	p.t.Helper()
	nodes := map[string]bool{}
	for _, name := range []string{"gamemetrics-kafka-0", "gamemetrics-kafka-1", "gamemetrics-kafka-2"} {
		pod, err := p.client.CoreV1().Pods(player.Namespace).Get(p.t.Context(), name, meta.GetOptions{})
		if err != nil {
			p.t.Fatal(err)
		}
		nodes[pod.Spec.NodeName] = true
		if memory := pod.Spec.Containers[0].Resources.Requests.Memory(); memory.String() != "2Gi" {
			p.t.Errorf("%s asks for %s", name, memory)
		}
		if grace := pod.Spec.TerminationGracePeriodSeconds; *grace != 120 {
			p.t.Errorf("%s has %d seconds to end", name, *grace)
		}
		claim, err := p.client.CoreV1().PersistentVolumeClaims(player.Namespace).Get(p.t.Context(), "data-0-"+name, meta.GetOptions{})
		if err != nil || claim.Status.Phase != core.ClaimBound {
			p.t.Errorf("the claim of %s: %v %v", name, claim.Status.Phase, err)
		}
	}
	if len(nodes) != 3 {
		p.t.Errorf("three brokers on %d nodes", len(nodes))
	}
	brokers, err := p.client.CoreV1().Services(player.Namespace).Get(p.t.Context(), "gamemetrics-kafka-brokers", meta.GetOptions{})
	if err != nil || brokers.Spec.ClusterIP != core.ClusterIPNone {
		p.t.Errorf("the service of the brokers: %v %v", brokers.Spec.ClusterIP, err)
	}
}

// letsUsersIn comes in through the API server, as gmctl does.
func (p *place) letsUsersIn() {
	p.t.Helper()
	if err := p.produce("gamemetrics", password, "player.events.raw"); err != nil {
		p.t.Errorf("what the user may do: %v", err)
	}
	if err := p.produce("gamemetrics", "another", "player.events.raw"); !errors.Is(err, kerr.SaslAuthenticationFailed) {
		p.t.Errorf("a wrong password: %v", err)
	}
	made, err := p.client.CoreV1().Secrets(player.Namespace).Get(p.t.Context(), "kafka-ui", meta.GetOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.produce("kafka-ui", string(made.Data["password"]), "player.events.raw"); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		p.t.Errorf("what the user may not do: %v", err)
	}
}

// followsChanges changes each kind of object.
func (p *place) followsChanges() {
	p.t.Helper()
	p.patch("kafkausers", "gamemetrics",
		`{"spec": {"authorization": {"type": "simple", "acls": [{"resource": {"type": "topic", "name": "notifications"}, "operations": ["Write", "Describe"]}]}}}`)
	p.eventually("the user to lose what it may do no longer", func() error {
		if err := p.produce("gamemetrics", password, "player.events.raw"); !errors.Is(err, kerr.TopicAuthorizationFailed) {
			return fmt.Errorf("produced, or %w", err)
		}
		return p.produce("gamemetrics", password, "notifications")
	})

	p.patch("kafkatopics", "notifications", `{"spec": {"partitions": 5, "config": {"retention.ms": "60000"}}}`)
	p.eventually("the topic to change", func() error {
		topics, err := p.admin().ListTopics(p.t.Context(), "notifications")
		if err != nil || len(topics["notifications"].Partitions) != 5 {
			return fmt.Errorf("%d partitions, %w", len(topics["notifications"].Partitions), err)
		}
		configs, err := p.admin().DescribeTopicConfigs(p.t.Context(), "notifications")
		if err != nil {
			return err
		}
		for _, config := range configs[0].Configs {
			if config.Key == "retention.ms" && config.MaybeValue() == "60000" {
				return nil
			}
		}
		return errors.New("its retention is as before")
	})
	p.patch("kafkatopics", "notifications", `{"spec": {"partitions": 1}}`)
	p.eventually("the refusal to be told", func() error {
		if message := p.condition("kafkatopics", "notifications"); !strings.Contains(message, "decreasing partitions") {
			return errors.New(message)
		}
		return nil
	})

	before := p.pods()
	p.patch("kafkanodepools", "kafka", `{"spec": {"resources": {"requests": {"memory": "1Gi"}}}}`)
	p.eventually("all pods to be made again", func() error {
		for name, uid := range p.pods() {
			if before[name] == uid {
				return fmt.Errorf("%s is still the one of before", name)
			}
		}
		if message := p.condition("kafkas", "gamemetrics"); message != "" {
			return errors.New(message)
		}
		return nil
	})
}

// goes deletes a topic, a user and all.
func (p *place) goes() {
	p.t.Helper()
	p.delete("kafkatopics", "user.actions")
	p.delete("kafkausers", "gamemetrics")
	p.eventually("the topic and the user to be gone", func() error {
		topics, err := p.admin().ListTopics(p.t.Context())
		if err != nil || topics.Has("user.actions") {
			return fmt.Errorf("the topic is there, or %w", err)
		}
		if err := p.produce("gamemetrics", password, "notifications"); !errors.Is(err, kerr.SaslAuthenticationFailed) {
			return fmt.Errorf("the user is let in, or %w", err)
		}
		return nil
	})
	p.delete("kafkas", "gamemetrics")
	p.eventually("all to be gone", func() error {
		if found := p.pods(); len(found) > 0 {
			return fmt.Errorf("there are %v", found)
		}
		if _, err := p.player.Kafka(); err == nil {
			return errors.New("Kafka runs")
		}
		return nil
	})
	claims, err := p.client.CoreV1().PersistentVolumeClaims(player.Namespace).List(p.t.Context(), meta.ListOptions{})
	if err != nil || len(claims.Items) != 3 {
		p.t.Errorf("of the claims, which stay, there are %d: %v", len(claims.Items), err)
	}
}

// place is a cluster with room for Kafka, in which the player plays.
type place struct {
	t       *testing.T
	client  *kubernetes.Clientset
	dynamic dynamic.Interface
	kube    *kube.Client
	player  *player.Player
}

func open(t *testing.T) *place {
	t.Helper()
	testenv.Require(t, testenv.Pods, pods.Available())
	_, err := testkafka.Fetch(t.Context())
	testenv.Require(t, testenv.Kafka, err)
	cluster := testkube.Run(t, testkube.Options{})
	config := cluster.AdminConfig()
	p := &place{t: t}
	if p.client, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if p.dynamic, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if p.kube, err = kube.Open(kube.Config{Host: config.Host, CA: config.CAData, ClientCert: config.CertData, ClientKey: config.KeyData}); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		p.addNode(i)
	}
	runner, err := pods.Start(t.Context(), pods.Options{Config: config, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.must(runner.Stop()) })
	if p.player, err = player.Start(player.Options{Config: config, Runner: runner, Log: t.Logf}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.must(p.player.Stop()) })
	return p
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Error(err)
	}
}

// addNode adds one for what is not Kafka, and then ones for Kafka alone.
func (p *place) addNode(i int) {
	p.t.Helper()
	node := &core.Node{ObjectMeta: meta.ObjectMeta{Name: fmt.Sprintf("node-%d", i), Labels: map[string]string{
		"gamemetrics.io/node-group": "system", "kubernetes.io/hostname": fmt.Sprintf("node-%d", i), "topology.kubernetes.io/zone": "a",
	}}}
	if i > 0 {
		node.Labels["gamemetrics.io/node-group"] = "data"
		node.Spec.Taints = []core.Taint{{Key: "gamemetrics.io/dedicated", Value: "data", Effect: core.TaintEffectNoSchedule}}
	}
	node.Status.Allocatable = core.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("4Gi"), "pods": resource.MustParse("20")}
	node.Status.Capacity = node.Status.Allocatable
	_, err := p.client.CoreV1().Nodes().Create(p.t.Context(), node, meta.CreateOptions{})
	p.must(err)
}

func (p *place) rendered(stage string) []*unstructured.Unstructured {
	p.t.Helper()
	objects, err := manifests.Render(p.t.Context(), k8s.Tree, "overlays/dev/"+stage, manifests.StandIn())
	if err != nil {
		p.t.Fatal(err)
	}
	return objects
}

func (p *place) definitions() []*unstructured.Unstructured {
	p.t.Helper()
	files, err := strimzi.CRDs(p.t.Context())
	testenv.Require(p.t, testenv.Kafka, err)
	var objects []*unstructured.Unstructured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			p.t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &object.Object); err != nil {
			p.t.Fatal(err)
		}
		objects = append(objects, object)
	}
	return objects
}

func (p *place) apply(set string, objects ...*unstructured.Unstructured) {
	p.t.Helper()
	if err := p.kube.Apply(p.t.Context(), set, objects, quiet{}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) create(secret *core.Secret) {
	p.t.Helper()
	_, err := p.client.CoreV1().Secrets(player.Namespace).Create(p.t.Context(), secret, meta.CreateOptions{})
	p.must(err)
}

// operate deploys the operator.
func (p *place) operate() {
	p.t.Helper()
	labels := map[string]string{"name": "strimzi-cluster-operator"}
	_, err := p.client.AppsV1().Deployments(player.Namespace).Create(p.t.Context(), &apps.Deployment{
		ObjectMeta: meta.ObjectMeta{Name: "strimzi-cluster-operator"},
		Spec: apps.DeploymentSpec{
			Selector: &meta.LabelSelector{MatchLabels: labels},
			Template: core.PodTemplateSpec{
				ObjectMeta: meta.ObjectMeta{Labels: labels},
				Spec:       core.PodSpec{Containers: []core.Container{{Name: "operator", Image: "operator"}}},
			},
		},
	}, meta.CreateOptions{})
	p.must(err)
}

// pods are those of brokers, by name: their UIDs.
func (p *place) pods() map[string]types.UID {
	p.t.Helper()
	found, err := p.client.CoreV1().Pods(player.Namespace).List(p.t.Context(), meta.ListOptions{LabelSelector: "strimzi.io/pool-name"})
	if err != nil {
		p.t.Fatal(err)
	}
	uids := map[string]types.UID{}
	for _, pod := range found.Items {
		uids[pod.Name] = pod.UID
	}
	return uids
}

func (p *place) resource(plural string) dynamic.ResourceInterface {
	return p.dynamic.Resource(schema.GroupVersionResource{Group: "kafka.strimzi.io", Version: "v1", Resource: plural}).Namespace(player.Namespace)
}

func (p *place) patch(plural, name, change string) {
	p.t.Helper()
	_, err := p.resource(plural).Patch(p.t.Context(), name, types.MergePatchType, []byte(change), meta.PatchOptions{})
	p.must(err)
}

func (p *place) delete(plural, name string) {
	p.t.Helper()
	p.must(p.resource(plural).Delete(p.t.Context(), name, meta.DeleteOptions{}))
}

// condition is why a resource is not ready, or empty.
func (p *place) condition(plural, name string) string {
	p.t.Helper()
	found, err := p.resource(plural).Get(p.t.Context(), name, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "it is not there"
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if observed, _, _ := unstructured.NestedInt64(found.Object, "status", "observedGeneration"); observed != found.GetGeneration() {
		return "it is not seen"
	}
	conditions, _, _ := unstructured.NestedSlice(found.Object, "status", "conditions")
	i := slices.IndexFunc(conditions, func(c any) bool { return c.(map[string]any)["message"] != nil })
	if i < 0 {
		return ""
	}
	return fmt.Sprint(conditions[i].(map[string]any)["message"])
}

func (p *place) admin() *kadm.Client {
	p.t.Helper()
	config, err := p.player.Kafka()
	if err != nil {
		p.t.Fatal(err)
	}
	client, err := kafka.NewClient(config)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// produce sends one record through the API server.
func (p *place) produce(user, password, topic string) error {
	p.t.Helper()
	authority, err := p.client.CoreV1().Secrets(player.Namespace).Get(p.t.Context(), "gamemetrics-cluster-ca-cert", meta.GetOptions{})
	if err != nil {
		return err
	}
	client, err := kafka.NewClient(kafka.Config{
		Brokers: []string{"gamemetrics-kafka-bootstrap.kafka.svc:9093"},
		TLS:     &kafka.TLS{CA: string(authority.Data["ca.crt"])},
		SASL:    &kafka.SASL{Mechanism: "SCRAM-SHA-512", Username: user, Password: password},
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			host, _, _ := strings.Cut(address, ".")
			if strings.HasSuffix(host, "-bootstrap") {
				return p.kube.Dial(ctx, player.Namespace, host, 9093)
			}
			return p.kube.DialPod(ctx, player.Namespace, host, 9093)
		},
	}, kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DisableIdempotentWrite())
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	if err := client.Ping(ctx); err != nil { // produce alone tries a wrong password for ever
		return err
	}
	return client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("hello")}).FirstErr()
}

func (p *place) eventually(what string, check func() error) {
	p.t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	p.t.Fatalf("waited for %s: %v", what, err)
}

// quiet hears what gmctl tells, and says nothing.
type quiet struct{}

func (quiet) Report(engine.Update) {}
