package capacity_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gamemetrics/gmctl/internal/capacity"
	"github.com/gamemetrics/gmctl/internal/manifests"
	"github.com/gamemetrics/gmctl/k8s"
)

// platform are the objects of an environment but for third-party operators.
func platform(t *testing.T, template string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for _, stage := range []string{"platform", "kafka", "apps"} {
		rendered, err := manifests.Render(t.Context(), k8s.Tree, "overlays/"+template+"/"+stage, manifests.StandIn())
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, rendered...)
	}
	return objects
}

func dedicated() []corev1.Taint {
	return []corev1.Taint{{Key: "gamemetrics.io/dedicated", Value: "data", Effect: corev1.TaintEffectNoSchedule}}
}

// groups are those of a dev environment, with another type for data.
func groups(data string, nodes int) []capacity.Group {
	zones := []string{"a", "b"}
	return []capacity.Group{
		{Name: "system", InstanceType: "t3.medium", Nodes: 2, Zones: zones},
		{Name: "application", InstanceType: "t3.large", Nodes: 2, Zones: zones},
		{Name: "data", InstanceType: data, Nodes: nodes, Taints: dedicated(), Zones: zones},
	}
}

func check(t *testing.T, objects []*unstructured.Unstructured, groups []capacity.Group) []capacity.Finding {
	t.Helper()
	findings, err := capacity.Check(objects, groups)
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

// says fails unless the findings are those, in any words around them.
func says(t *testing.T, findings []capacity.Finding, want ...string) {
	t.Helper()
	if len(findings) != len(want) {
		t.Fatalf("%d findings, want %d: %v", len(findings), len(want), findings)
	}
	for i, finding := range findings {
		if finding.String() != want[i] {
			t.Errorf("the finding is\n %s, want\n %s", finding, want[i])
		}
	}
}

func TestDefaultsHaveRoom(t *testing.T) {
	says(t, check(t, platform(t, "dev"), groups("t3.large", 3)))
	says(t, check(t, platform(t, "prod"), []capacity.Group{
		{Name: "system", InstanceType: "m7i.large", Nodes: 2},
		{Name: "application", InstanceType: "m7i.large", Nodes: 3},
		{Name: "data", InstanceType: "r7i.large", Nodes: 3, Taints: dedicated()},
	}))
}

func TestABrokerDoesNotFitOnASmallNode(t *testing.T) {
	findings := check(t, platform(t, "dev"), groups("t3.small", 3))
	says(t, findings,
		"kafka brokers gamemetrics-kafka-0, gamemetrics-kafka-1 and gamemetrics-kafka-2 need 2Gi memory each, "+
			"the largest free slot on data (3 × t3.small) is 1.2Gi: use t3.medium for data")
	if len(findings[0].Pods) != 3 || findings[0].Group != "data" {
		t.Errorf("%+v", findings[0])
	}
}

func TestBrokersDoNotShareANode(t *testing.T) {
	says(t, check(t, platform(t, "dev"), groups("t3.xlarge", 2)),
		"kafka broker gamemetrics-kafka-2 needs a node without a pod of KafkaNodePool kafka/kafka, "+
			"and each of data (2 × t3.xlarge) has one: run 3 nodes in data")
}

// object is a workload of so many pods.
func object(t *testing.T, kind, name, spec string, replicas int) *unstructured.Unstructured {
	t.Helper()
	pod := map[string]any{}
	if err := yaml.Unmarshal([]byte(spec), &pod); err != nil {
		t.Fatal(err)
	}
	labels := map[string]any{"app": name}
	made := map[string]any{
		"replicas": int64(replicas),
		"selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": pod},
	}
	switch kind {
	case "DaemonSet":
		delete(made, "replicas")
	case "StatefulSet":
		made["serviceName"] = name
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": kind,
		"metadata": map[string]any{"name": name, "namespace": "default"}, "spec": made,
	}}
}

const asks = "containers: [{name: x, image: 'x:1', resources: {requests: {cpu: %CPU, memory: %MEMORY}}}]"

func asking(cpu, memory string) string {
	return strings.NewReplacer("%CPU", cpu, "%MEMORY", memory).Replace(asks) + "\n"
}

func TestCheck(t *testing.T) {
	one := func(instanceType string, nodes int) []capacity.Group {
		return []capacity.Group{{Name: "g", InstanceType: instanceType, Nodes: nodes, Zones: []string{"a", "b"}}}
	}
	antiAffinity := asking("1m", "1Mi") + "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: " +
		"[{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: x}}}]}}\n"
	spread := func(key string) string {
		return asking("1m", "1Mi") + "topologySpreadConstraints: [{topologyKey: " + key +
			", maxSkew: 1, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: x}}}]\n"
	}
	for _, test := range []struct {
		name     string
		kind     string
		spec     string
		replicas int
		groups   []capacity.Group
		want     []string
	}{
		{"nothing asked", "Deployment", "containers: [{name: x, image: 'x:1'}]", 5, one("t3.medium", 2), nil},
		// 1930m − 180m of the add-ons' DaemonSets − 160m of their Deployments
		{"CPU to the last", "Deployment", asking("1590m", "1Mi"), 1, one("t3.medium", 2), nil},
		{"CPU", "Deployment", asking("1591m", "1Mi"), 1, one("t3.medium", 2), []string{
			"pod 1 of Deployment default/x needs 1591m CPU, the largest free slot on g (2 × t3.medium) is 1590m: run 3 nodes in g",
		}},
		{"both", "Deployment", asking("9", "900Gi"), 1, one("t3.medium", 1), []string{
			"pod 1 of Deployment default/x needs 900Gi memory and 9 CPU, the largest free slot on g (1 × t3.medium) is 2.4Gi and 1430m",
		}},
		{"more nodes of the same", "StatefulSet", asking("1", "1Gi"), 3, one("t3.medium", 2), []string{
			"pod 3 of StatefulSet default/x needs 1 CPU, the largest free slot on g (2 × t3.medium) is 590m: run 3 nodes in g",
		}},
		// 11 − 4 DaemonSets − 2 × 2 of Deployments
		{"pods to the last", "Deployment", asking("1m", "1Mi"), 10, one("t3.small", 2), nil},
		{"more pods than interfaces carry", "Deployment", asking("1m", "1Mi"), 11, one("t3.small", 2), []string{
			"pod 11 of Deployment default/x needs a place, and each node of g (2 × t3.small) carries 11 pods: none is left: run 3 nodes in g",
		}},
		{"anti-affinity", "Deployment", antiAffinity, 3, one("t3.medium", 2), []string{
			"pod 3 of Deployment default/x needs a node without a pod of Deployment default/x, and each of g (2 × t3.medium) has one: run 3 nodes in g",
		}},
		{"spread over nodes", "Deployment", spread("kubernetes.io/hostname"), 5, one("t3.medium", 2), nil},
		{"spread over zones", "Deployment", spread("topology.kubernetes.io/zone"), 5, one("t3.medium", 3), nil},
		{"a taint", "Deployment", asking("1m", "1Mi") + "nodeSelector: {gamemetrics.io/node-group: data}\n", 1, groups("t3.large", 3), []string{
			"pod 1 of Deployment default/x finds no node: data has the taint gamemetrics.io/dedicated=data:NoSchedule, which it does not tolerate",
		}},
		{"a selector", "Deployment", asking("1m", "1Mi") + "nodeSelector: {disk: fast}\n", 2, one("t3.large", 2), []string{
			"2 pods of Deployment default/x find no node: its node selector and affinity take none of g (2 × t3.large)",
		}},
		{"a DaemonSet that is too large", "DaemonSet", asking("1", "4Gi"), 1, one("t3.medium", 2), []string{
			"2 pods of DaemonSet default/x need 4Gi memory each, the largest free slot on g (2 × t3.medium) is 2.8Gi: use t3.large for g",
		}},
		{"an unknown type", "Deployment", asking("99", "900Gi"), 1, one("z9.huge", 1), []string{
			"gmctl does not know the instance type z9.huge of the group g: whether the pods fit there cannot be said",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			says(t, check(t, []*unstructured.Unstructured{object(t, test.kind, "x", test.spec, test.replicas)}, test.groups), test.want...)
		})
	}
}

func TestAnAutoscalerSaysHowManyThereAre(t *testing.T) {
	deployment := object(t, "Deployment", "x", asking("1", "1Gi"), 0)
	unstructured.RemoveNestedField(deployment.Object, "spec", "replicas")
	scaler := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
		"metadata": map[string]any{"name": "x", "namespace": "default"},
		"spec": map[string]any{
			"scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
			"minReplicas":    int64(4), "maxReplicas": int64(9),
		},
	}}
	says(t, check(t, []*unstructured.Unstructured{deployment, scaler}, []capacity.Group{{Name: "g", InstanceType: "t3.medium", Nodes: 3}}),
		"pod 4 of Deployment default/x needs 1 CPU, the largest free slot on g (3 × t3.medium) is 690m: run 4 nodes in g")
}
