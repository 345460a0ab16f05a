package manifests_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/manifests"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv/golden"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/k8s"
)

// overlays are those that need nothing but the tree.
func overlays() []string {
	return []string{
		"overlays/dev/platform", "overlays/dev/kafka", "overlays/dev/apps",
		"overlays/prod/platform", "overlays/prod/kafka", "overlays/prod/apps",
	}
}

// values are those of an environment that stands.
func values() manifests.Values {
	return manifests.Values{
		Image:    "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gamemetrics-dev/gmctl@sha256:" + strings.Repeat("ab", 32),
		Region:   "eu-central-1",
		Database: manifests.Database{Host: "gamemetrics-dev.abc.eu-central-1.rds.amazonaws.com", Port: 5432, Name: "gamemetrics"},
		Redis:    manifests.Redis{Host: "master.gamemetrics-dev.abc.cache.amazonaws.com", Port: 6379},
		KafkaCA:  "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
		Tags:     map[string]string{"ManagedBy": "gmctl", "EnvironmentId": "a1b2c3d4"},
	}
}

func render(t *testing.T, overlay string, values manifests.Values) []*unstructured.Unstructured {
	t.Helper()
	objects, err := manifests.Render(t.Context(), k8s.Tree, overlay, values)
	if err != nil {
		t.Fatalf("%s: %v", overlay, err)
	}
	return objects
}

func text(t *testing.T, objects []*unstructured.Unstructured) string {
	t.Helper()
	documents := make([]string, len(objects))
	for i, object := range objects {
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		documents[i] = string(document)
	}
	return strings.Join(documents, "---\n")
}

func TestOverlaysRenderAs(t *testing.T) {
	for _, overlay := range overlays() {
		name := strings.ReplaceAll(strings.TrimPrefix(overlay, "overlays/"), "/", "-") + ".yaml"
		golden.Check(t, name, text(t, render(t, overlay, values())))
	}
}

// Stages are planned at the same time.
func TestRenderingAtTheSameTimeGivesTheSame(t *testing.T) {
	want := text(t, render(t, "overlays/prod/apps", values()))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			objects, err := manifests.Render(t.Context(), k8s.Tree, "overlays/prod/apps", values())
			if err != nil {
				t.Error(err)
				return
			}
			if got := text(t, objects); got != want {
				t.Error("another order, or another content")
			}
		})
	}
	wait.Wait()
}

// A misspelt field would be dropped by the API server, or refused by it.
func TestObjectsAreWhatKubernetesKnows(t *testing.T) {
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{Strict: true})
	for _, overlay := range overlays() {
		for _, object := range render(t, overlay, values()) {
			if object.GroupVersionKind().Group == "kafka.strimzi.io" {
				continue // TestStrimziTakesTheObjects
			}
			document, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := strict.Decode(document, nil, nil); err != nil {
				t.Errorf("%s: %s %s: %v", overlay, object.GetKind(), object.GetName(), err)
			}
		}
	}
}

func TestTopicsAreThoseOfThePlatform(t *testing.T) {
	const replicas = 3
	for _, overlay := range []string{"overlays/dev/kafka", "overlays/prod/kafka"} {
		got := map[string]any{}
		for _, object := range render(t, overlay, manifests.Values{}) {
			if object.GetKind() == "KafkaTopic" {
				got[object.GetName()] = object.Object["spec"]
			}
		}
		want := map[string]any{}
		for _, topic := range topics.All() {
			config := map[string]any{}
			for name, value := range kafka.TopicConfigs(topic, replicas) {
				config[name] = value
			}
			want[topic.Name] = map[string]any{"partitions": int64(topic.Partitions), "replicas": int64(replicas), "config": config}
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s: k8s/base/topics is not what internal/topics declares (-declared +manifests):\n%s", overlay, diff)
		}
	}
}

func TestThePlatformMayUseItsTopics(t *testing.T) {
	var named []string
	for _, object := range render(t, "overlays/dev/kafka", manifests.Values{}) {
		if object.GetKind() != "KafkaUser" || object.GetName() != "gamemetrics" {
			continue
		}
		acls, _, _ := unstructured.NestedSlice(object.Object, "spec", "authorization", "acls")
		for _, acl := range acls {
			resource, _, _ := unstructured.NestedStringMap(acl.(map[string]any), "resource")
			if resource["type"] == "topic" {
				named = append(named, resource["name"])
			}
		}
	}
	for _, topic := range topics.All() {
		if !slices.Contains(named, topic.Name) {
			t.Errorf("the user gamemetrics may not use %s", topic.Name)
		}
	}
}

func TestOwnPodsTellThemselves(t *testing.T) {
	for _, object := range render(t, "overlays/prod/apps", values()) {
		template, ok, _ := unstructured.NestedMap(object.Object, "spec", "template")
		if !ok {
			continue
		}
		labels, _, _ := unstructured.NestedStringMap(template, "metadata", "labels")
		own := strings.Contains(text(t, []*unstructured.Unstructured{object}), "image: "+values().Image)
		if (labels["gmctl.gamemetrics.io/image"] == "own") != own {
			t.Errorf("%s %s has the labels %v; our image: %t", object.GetKind(), object.GetName(), labels, own)
		}
		if labels["app.kubernetes.io/part-of"] != "gamemetrics" {
			t.Errorf("%s %s is not part of gamemetrics", object.GetKind(), object.GetName())
		}
	}
}

// Kubernetes restarts no pod because a ConfigMap changed: the pods must change.
func TestPodsAreMadeAnewWhenTheirConfigurationChanges(t *testing.T) {
	annotations := func(values manifests.Values) map[string]string {
		found := map[string]string{}
		for _, object := range render(t, "overlays/dev/apps", values) {
			annotation, _, _ := unstructured.NestedString(object.Object, "spec", "template", "metadata", "annotations", manifests.ConfigAnnotation)
			found[object.GetKind()+" "+object.GetName()] = annotation
		}
		return found
	}
	before := annotations(values())
	moved := values()
	moved.Database.Host = "restored.example"
	renewed := values()
	renewed.KafkaCA = "another"
	for _, test := range []struct {
		pods            string
		values          manifests.Values
		change          string
		changed, exists bool
	}{
		{"Deployment ingestion", moved, "the database", true, true},
		{"Deployment relay", moved, "the database", true, true},
		{"Deployment relay", renewed, "the CA of Kafka", true, true},
		{"Deployment ingestion", renewed, "the CA of Kafka", false, true},
		{"Deployment kafka-ui", moved, "the database", false, false},
	} {
		after := annotations(test.values)[test.pods]
		if (after != "") != test.exists || (after != before[test.pods]) != test.changed {
			t.Errorf("%s after a change of %s: %q, was %q", test.pods, test.change, after, before[test.pods])
		}
	}
}

// After a rotation those who read the secret must read it anew, and no one else.
func TestWhatReadsASecretIsMadeAnewAfterARotation(t *testing.T) {
	stamps := func(rotated string) map[string]string {
		v := values()
		v.SecretVersions = map[string]string{rotated: "2"}
		for _, name := range []string{"gamemetrics/database-master", "gamemetrics/database", "gamemetrics/kafka", "gamemetrics/platform-key", "kafka/gamemetrics-kafka-password"} {
			if name != rotated {
				v.SecretVersions[name] = "1"
			}
		}
		found := map[string]string{}
		for _, overlay := range []string{"overlays/dev/kafka", "overlays/dev/apps"} {
			for _, object := range render(t, overlay, v) {
				stamp := object.GetAnnotations()[manifests.ConfigAnnotation]
				if stamp == "" {
					stamp, _, _ = unstructured.NestedString(object.Object, "spec", "template", "metadata", "annotations", manifests.ConfigAnnotation)
				}
				found[object.GetKind()+" "+object.GetName()] = stamp
			}
		}
		return found
	}
	before := stamps("")
	for rotated, want := range map[string][]string{
		"gamemetrics/database-master":      {"Job schema"},
		"gamemetrics/database":             {"Deployment ingestion", "Deployment relay", "Job schema"},
		"gamemetrics/kafka":                {"Deployment relay"},
		"gamemetrics/platform-key":         {"Job schema"},
		"kafka/gamemetrics-kafka-password": {"KafkaUser gamemetrics"},
	} {
		var changed []string
		for name, stamp := range stamps(rotated) {
			if stamp != before[name] {
				changed = append(changed, name)
			}
		}
		slices.Sort(changed)
		if !slices.Equal(changed, want) {
			t.Errorf("after a rotation of %s these are made anew: %v, want %v", rotated, changed, want)
		}
	}
}

func TestWhatIsNotKnownYetIsNamed(t *testing.T) {
	for _, test := range []struct {
		overlay string
		change  func(*manifests.Values)
		says    string
	}{
		{"overlays/dev/apps", func(v *manifests.Values) { v.Image = "" }, "digest of gmctl's own image"},
		{"overlays/dev/apps", func(v *manifests.Values) { v.Image = "gmctl:v1" }, "not named by its digest"},
		{"overlays/dev/apps", func(v *manifests.Values) { v.Database = manifests.Database{} }, "where PostgreSQL is"},
		{"overlays/dev/apps", func(v *manifests.Values) { v.Redis = manifests.Redis{} }, "where Redis is"},
		{"overlays/dev/apps", func(v *manifests.Values) { v.KafkaCA = "" }, "the CA of Kafka"},
		{"overlays/prod/platform", func(v *manifests.Values) { v.Tags = nil }, "whose the volumes are"},
		{"overlays/test/apps", func(*manifests.Values) {}, "overlays/test/apps"},
	} {
		v := values()
		test.change(&v)
		_, err := manifests.Render(t.Context(), k8s.Tree, test.overlay, v)
		told, ok := errors.AsType[*problem.Error](err)
		if !ok || !strings.Contains(err.Error(), test.says) || told.Next == "" {
			t.Errorf("%s: the error is %v; it should say %q", test.overlay, err, test.says)
		}
	}
}

func TestStandInsAreEnough(t *testing.T) {
	for _, overlay := range overlays() {
		render(t, overlay, manifests.StandIn())
	}
}

func TestImagesOfOthersNeedAVersion(t *testing.T) {
	for image, says := range map[string]string{
		"registry.example:5000/tool":             "version of the image registry.example:5000/tool",
		"tool:latest":                            "version of the image tool:latest",
		"registry.example:5000/tool:v1":          "",
		"tool@sha256:" + strings.Repeat("0", 64): "",
	} {
		tree := fstest.MapFS{
			"overlays/x/kustomization.yaml": {Data: []byte("resources: [pod.yaml]\n")},
			"overlays/x/pod.yaml": {Data: []byte(
				"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: tool}\nspec: {template: {spec: {containers: [{name: tool, image: \"" + image + "\"}]}}}\n")},
		}
		_, err := manifests.Render(t.Context(), tree, "overlays/x", manifests.Values{})
		if got := cmp.Or(err, errors.New("")).Error(); (err != nil) != (says != "") || !strings.Contains(got, says) {
			t.Errorf("%s: the error is %v; it should say %q", image, err, says)
		}
	}
}

// Where traces go is in the services' configuration, and their pods may go there.
func TestTracesMayLeaveTheNamespace(t *testing.T) {
	for endpoint, port := range map[string]string{
		"": "", "http://otel.monitoring:4318": "port: 4318", "https://traces.example": "port: 443", "http://traces.example/": "port: 80",
	} {
		v := values()
		v.Tracing = manifests.Tracing{Endpoint: endpoint, Percent: 5}
		var config, policy string
		for _, object := range render(t, "overlays/prod/apps", v) {
			switch object.GetKind() + " " + object.GetName() {
			case "ConfigMap platform":
				config = text(t, []*unstructured.Unstructured{object})
			case "NetworkPolicy to-collector":
				policy = text(t, []*unstructured.Unstructured{object})
			}
		}
		if has := strings.Contains(config, "OTEL_"); has != (endpoint != "") || has && (!strings.Contains(config, endpoint) || !strings.Contains(config, `OTEL_TRACES_SAMPLER_ARG: "0.05"`)) {
			t.Errorf("with the endpoint %q the configuration is\n%s", endpoint, config)
		}
		if opens := strings.Contains(policy, "port: "); opens != (port != "") || !strings.Contains(policy, port) || policy == "" {
			t.Errorf("with the endpoint %q the policy is\n%s", endpoint, policy)
		}
	}
}
