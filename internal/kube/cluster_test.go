//go:build unix

package kube

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/instancetypes"
	"github.com/gamemetrics/gmctl/internal/problem"
	testkube "github.com/gamemetrics/gmctl/internal/testenv/kube"
)

// shared is a real Kubernetes for the tests of this package.
var shared = testkube.Shared{Options: testkube.Options{MissingImages: "/missing:"}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

func config(t *testing.T) Config {
	t.Helper()
	cluster := shared.Cluster(t)
	admin := cluster.AdminConfig()
	return Config{Host: cluster.Endpoint, CA: cluster.CA, ClientCert: admin.CertData, ClientKey: admin.KeyData}
}

func open(t *testing.T) *Client {
	t.Helper()
	client, err := Open(config(t))
	if err != nil {
		t.Fatal(err)
	}
	client.pace = pace{poll: 100 * time.Millisecond, standstill: 20 * time.Second, unschedulable: 2 * time.Second, deletion: 20 * time.Second}
	return client
}

// set returns the objects of a text, in which NS and SET stand for a name of
// the test's own, and deletes them at the end.
func set(t *testing.T, client *Client, text string) (string, []*unstructured.Unstructured) {
	t.Helper()
	name := regexp.MustCompile(`[^a-z]+`).ReplaceAllString(strings.ToLower(strings.TrimPrefix(t.Name(), "Test")), "-")
	if len(name) > 50 {
		name = name[:50]
	}
	t.Cleanup(func() {
		if err := client.Delete(context.Background(), name, &updates{}); err != nil {
			t.Errorf("not gone: %v", err)
		}
	})
	return name, objects(t, name, text)
}

func objects(t *testing.T, name, text string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for document := range strings.SplitSeq(strings.NewReplacer("NS", name, "SET", name).Replace(text), "\n---\n") {
		all = append(all, parse(t, document))
	}
	return all
}

// node adds a node for the time of the test.
func node(t *testing.T, client *Client, name, instanceType string) {
	t.Helper()
	kind, _ := instancetypes.Lookup(instanceType)
	has := func(of instancetypes.Resources) string {
		return fmt.Sprintf("{cpu: %dm, memory: '%d', pods: '%d'}", of.MilliCPU, of.MemoryBytes, of.Pods)
	}
	ref := Ref{Version: "v1", Kind: "Node", Name: name}
	text := fmt.Sprintf("apiVersion: v1\nkind: Node\nmetadata: {name: %s, labels: {%s: data, %s: %s}}\nstatus: {capacity: %s, allocatable: %s}",
		name, labelNodeGroup, labelInstanceType, instanceType, has(kind.Capacity()), has(kind.Allocatable()))
	where, err := client.resource(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := where.Create(t.Context(), parse(t, text), createOptions()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.remove(context.Background(), ref); err != nil {
			t.Error(err)
		}
	})
}

const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS}\n"

const settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: NS}\ndata: {level: info}\n"

func deployment(name, image, memory string, replicas int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: NS}
spec:
  replicas: %[4]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: app, image: %[2]q, ports: [{name: http, containerPort: 8080}], resources: {requests: {memory: %[3]s, cpu: 10m}}}]}
`, name, image, memory, replicas)
}

func together(texts ...string) string { return strings.Join(texts, "\n---\n") }

const widgets = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: SETs.test.gamemetrics.io}
spec:
  group: test.gamemetrics.io
  scope: Namespaced
  names: {kind: SETWidget, plural: SETs, singular: SET}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`

const widget = "apiVersion: test.gamemetrics.io/v1\nkind: SETWidget\nmetadata: {name: first, namespace: NS}\nspec: {size: 1}\n"

func apply(t *testing.T, client *Client, set string, wanted []*unstructured.Unstructured) *updates {
	t.Helper()
	told := &updates{}
	if err := client.Apply(t.Context(), set, wanted, told); err != nil {
		t.Fatal(err, problem.From(err).Next)
	}
	return told
}

func diff(t *testing.T, client *Client, set string, wanted []*unstructured.Unstructured) []engine.Change {
	t.Helper()
	changes, err := client.Diff(t.Context(), set, wanted)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func there(t *testing.T, client *Client, ref Ref) bool {
	t.Helper()
	object, err := client.fetch(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return object != nil
}

// The life of a set: everything is to be created, even what needs a namespace
// and a CRD that are not there; then nothing is left to do; a change is seen and
// made; what is wanted no more goes; and all of it is gone in the end.
func TestLifeOfASet(t *testing.T) {
	client := open(t)
	node(t, client, "life", "t3.medium")
	name, wanted := set(t, client, together(widget, deployment("app", "registry/app:1", "64Mi", 2), settings, widgets, namespace))

	changes := diff(t, client, name, wanted)
	var order []string
	for _, change := range changes {
		if change.Action != engine.ActionCreate {
			t.Errorf("%+v", change)
		}
		kind, _, _ := strings.Cut(change.Object, " ")
		order = append(order, kind)
	}
	if text := strings.Join(order, " "); text != "Namespace CustomResourceDefinition ConfigMap Deployment "+name+"Widget" {
		t.Errorf("in the order %s", text)
	}
	if health, err := client.Health(t.Context(), name); err != nil || health.State != engine.StateAbsent {
		t.Errorf("%+v, %v", health, err)
	}

	apply(t, client, name, wanted)
	told := &updates{}
	if err := client.Wait(t.Context(), wanted, told); err != nil {
		t.Fatal(err)
	}
	if changes := diff(t, client, name, wanted); len(changes) != 0 {
		t.Errorf("again: %+v", changes)
	}
	versions := resourceVersions(t, client, wanted)
	apply(t, client, name, wanted)
	if again := resourceVersions(t, client, wanted); !slices.Equal(versions, again) {
		t.Errorf("an apply without changes has written: %v, %v", versions, again)
	}
	health, err := client.Health(t.Context(), name)
	if err != nil || health.State != engine.StateReady || len(health.Components) != 1 || health.Components[0].Summary != "2/2 pods" {
		t.Errorf("%+v, %v", health, err)
	}

	changed := objects(t, name, together(widgets, deployment("app", "registry/app:2", "64Mi", 2), namespace))
	changes = diff(t, client, name, changed)
	if len(changes) != 3 || !strings.Contains(changes[0].Detail, "registry/app:1 → registry/app:2") ||
		changes[1].Action != engine.ActionDelete || changes[2].Action != engine.ActionDelete {
		t.Errorf("%+v", changes)
	}
	apply(t, client, name, changed)
	if there(t, client, Ref{Version: "v1", Kind: "ConfigMap", Namespace: name, Name: "settings"}) {
		t.Error("what is wanted no more is there")
	}
	if changes := diff(t, client, name, changed); len(changes) != 0 {
		t.Errorf("again: %+v", changes)
	}

	told = &updates{}
	if err := client.Delete(t.Context(), name, told); err != nil {
		t.Fatal(err)
	}
	for _, object := range wanted {
		if there(t, client, RefOf(object)) {
			t.Errorf("%s is not gone", RefOf(object))
		}
	}
	if there(t, client, inventoryRef(name)) {
		t.Error("the inventory is not gone")
	}
	if err := client.Delete(t.Context(), name, told); err != nil {
		t.Errorf("again: %v", err)
	}
}

func resourceVersions(t *testing.T, client *Client, wanted []*unstructured.Unstructured) []string {
	t.Helper()
	var versions []string
	for _, ref := range append(refs(wanted), inventoryRef(wanted[len(wanted)-1].GetName())) {
		object, err := client.fetch(t.Context(), ref)
		if err != nil || object == nil {
			t.Fatal(ref, err)
		}
		if !workload(ref) { // its controller writes to it
			versions = append(versions, ref.String()+" "+object.GetResourceVersion())
		}
	}
	return versions
}

func TestWaitNamesTheSchedulersArithmetic(t *testing.T) {
	client := open(t)
	node(t, client, "small", "t3.small")
	name, wanted := set(t, client, together(namespace, deployment("broker", "registry/kafka:1", "2Gi", 1)))
	apply(t, client, name, wanted)
	told := &updates{}
	err := client.Wait(t.Context(), wanted, told)
	p := problem.From(err)
	if p == nil || !strings.Contains(err.Error(), "1 Insufficient memory") || !strings.Contains(err.Error(), "asks for 2048 MiB") || !strings.Contains(p.Next, "larger instance type") {
		t.Errorf("%v", err)
	}
	if !told.said("1 Insufficient memory") {
		t.Errorf("%+v", told.all)
	}
	health, err := client.Health(t.Context(), name)
	if err != nil || health.State != engine.StateDown || health.Problem == nil || !strings.Contains(health.Problem.Error(), "1 Insufficient memory") {
		t.Errorf("%+v, %v", health, err)
	}
}

func TestWaitEndsWhereThereIsNoImage(t *testing.T) {
	client := open(t)
	node(t, client, "images", "t3.medium")
	name, wanted := set(t, client, together(namespace, deployment("app", "registry/missing:1", "64Mi", 1)))
	apply(t, client, name, wanted)
	began := time.Now()
	err := client.Wait(t.Context(), wanted, &updates{})
	if err == nil || !strings.Contains(err.Error(), "registry/missing:1") || !strings.Contains(err.Error(), "not found") || problem.From(err).Next == "" {
		t.Errorf("%v", err)
	}
	if time.Since(began) > 10*time.Second {
		t.Errorf("after %s", time.Since(began))
	}
}

func TestWaitNamesTheQuota(t *testing.T) {
	client := open(t)
	name, wanted := set(t, client, together(namespace, deployment("app", "registry/app:1", "1Gi", 1),
		"apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: tight, namespace: NS}\nspec: {hard: {requests.memory: 512Mi}}\n"))
	client.pace.standstill = 3 * time.Second
	apply(t, client, name, wanted)
	err := client.Wait(t.Context(), wanted, &updates{})
	if err == nil || !strings.Contains(err.Error(), "exceeded quota: tight") || !strings.Contains(problem.From(err).Next, "ResourceQuota") {
		t.Errorf("%v", err)
	}
}

func TestJobIsMadeAnew(t *testing.T) {
	client := open(t)
	node(t, client, "jobs", "t3.medium")
	job := func(image string) string {
		return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: schema, namespace: NS}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: schema, image: '" + image + "'}]}}}\n"
	}
	name, wanted := set(t, client, together(namespace, job("registry/app:1")))
	apply(t, client, name, wanted)
	if err := client.Wait(t.Context(), wanted, &updates{}); err != nil {
		t.Fatal(err)
	}
	wanted = objects(t, name, together(namespace, job("registry/app:2")))
	if changes := diff(t, client, name, wanted); len(changes) != 1 || changes[0].Action != engine.ActionReplace {
		t.Errorf("%+v", changes)
	}
	apply(t, client, name, wanted)
	if err := client.Wait(t.Context(), wanted, &updates{}); err != nil {
		t.Fatal(err)
	}
	if changes := diff(t, client, name, wanted); len(changes) != 0 {
		t.Errorf("%+v", changes)
	}
}

// A namespace that is in two sets belongs to the first; everything else must be
// in one. What someone else put into a namespace keeps it.
func TestWhatIsNotOfTheSet(t *testing.T) {
	client := open(t)
	name, wanted := set(t, client, together(namespace, settings))
	apply(t, client, name, wanted)
	if changes := diff(t, client, name+"-b", wanted[:1]); len(changes) != 0 {
		t.Errorf("%+v", changes)
	}
	apply(t, client, name+"-b", wanted[:1])
	if err := client.Delete(t.Context(), name+"-b", &updates{}); err != nil || !there(t, client, RefOf(wanted[0])) {
		t.Errorf("the namespace of another set is gone, %v", err)
	}
	if err := client.Apply(t.Context(), name+"-b", wanted, &updates{}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("%v", err)
	}
	foreign := parse(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs, namespace: "+name+"}\n")
	where, err := client.resource(t.Context(), RefOf(foreign))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := where.Create(t.Context(), foreign, createOptions()); err != nil {
		t.Fatal(err)
	}
	changes := diff(t, client, name, nil)
	if len(changes) != 2 || changes[0].Action != engine.ActionDelete || changes[1].Action != engine.ActionKeep || !strings.Contains(changes[1].Detail, "ConfigMap theirs") {
		t.Errorf("%+v", changes)
	}
	told := apply(t, client, name, nil)
	if !told.said("stays: it has ConfigMap theirs") || !there(t, client, RefOf(foreign)) {
		t.Errorf("%+v", told.all)
	}
	doomed, err := client.Doomed(t.Context(), name)
	if err != nil || len(doomed) != 1 || !strings.Contains(doomed[0].Holds, "ConfigMap theirs") {
		t.Errorf("%+v, %v", doomed, err)
	}
	if err := client.Delete(t.Context(), name+"-b", &updates{}); err != nil {
		t.Error(err)
	}
}

// An API server that is busy and fails for a while delays, and breaks nothing.
func TestSetThroughABadWhile(t *testing.T) {
	direct := open(t)
	target, err := url.Parse(direct.Host())
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case n%7 == 1:
			w.Header().Set("Retry-After", "0")
			answer(w, http.StatusTooManyRequests, "too many requests, please try again later")
		case n%11 == 1:
			answer(w, http.StatusInternalServerError, "etcdserver: request timed out")
		case n%17 == 1:
			panic(http.ErrAbortHandler)
		default:
			forwardTo(direct, target, w, r)
		}
	}))
	defer proxy.Close()
	client, err := Open(Config{Host: proxy.URL})
	if err != nil {
		t.Fatal(err)
	}
	client.pace = direct.pace
	name, wanted := set(t, direct, together(namespace, settings, widgets, widget))
	told := apply(t, client, name, wanted)
	if err := client.Wait(t.Context(), wanted, told); err != nil {
		t.Fatal(err)
	}
	if !told.said("too many requests") || !told.said("etcdserver: request timed out") {
		t.Errorf("%+v", told.all)
	}
	if changes := diff(t, direct, name, wanted); len(changes) != 0 {
		t.Errorf("%+v", changes)
	}
	if err := client.Delete(t.Context(), name, told); err != nil {
		t.Error(err)
	}
}

// An Apply that is killed at any request goes on when it is run again, and a
// Delete likewise; what the killed one made and the next does not want goes too.
func TestKilledHalfWay(t *testing.T) {
	direct := open(t)
	target, err := url.Parse(direct.Host())
	if err != nil {
		t.Fatal(err)
	}
	name, wanted := set(t, direct, together(namespace, settings, widgets, widget))
	var left atomic.Int64
	var kill atomic.Pointer[context.CancelFunc]
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if left.Add(-1) < 0 {
			(*kill.Load())()
			panic(http.ErrAbortHandler)
		}
		forwardTo(direct, target, w, r)
	}))
	defer proxy.Close()
	client, err := Open(Config{Host: proxy.URL})
	if err != nil {
		t.Fatal(err)
	}
	client.pace = direct.pace
	for requests := int64(1); ; requests += 4 {
		ctx, cancel := context.WithCancel(t.Context())
		kill.Store(&cancel)
		left.Store(requests)
		err := client.Apply(ctx, name, wanted, &updates{})
		cancel()
		if err == nil {
			break
		}
		if requests > 200 {
			t.Fatal("it never comes through: ", err)
		}
	}
	if changes := diff(t, direct, name, wanted); len(changes) != 0 {
		t.Errorf("%+v", changes)
	}
	left.Store(1 << 40)
	if changes := diff(t, direct, name, wanted[:1]); len(changes) != 3 {
		t.Errorf("not found again: %+v", changes)
	}
	for requests := int64(70); ; requests += 20 {
		ctx, cancel := context.WithCancel(t.Context())
		kill.Store(&cancel)
		left.Store(requests)
		err := client.Delete(ctx, name, &updates{})
		cancel()
		if err == nil {
			break
		}
		if requests > 3000 {
			t.Fatal("it never comes through: ", err)
		}
	}
	for _, ref := range append(refs(wanted), inventoryRef(name)) {
		if there(t, direct, ref) {
			t.Errorf("%s is not gone", ref)
		}
	}
}

// forwardTo hands a request on with the credentials of a client.
func forwardTo(client *Client, target *url.URL, w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI, out.Host = target.Scheme, target.Host, "", target.Host
	response, err := client.http.Transport.(*retrying).next.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close()
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	copyBody(w, response)
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
