//go:build unix

package kube

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/problem"
)

func budget(minimum string) string {
	return "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: strict, namespace: NS}\nspec: {minAvailable: " + minimum + ", selector: {matchLabels: {app: app}}}\n"
}

// A drain moves pods as their budgets allow, names the budget that does not, and
// goes on when it does.
func TestDrain(t *testing.T) {
	client := open(t)
	node(t, client, "drain-old", "t3.medium")
	node(t, client, "drain-new", "t3.medium")
	cordon(t, client, "drain-new", true)
	name, wanted := set(t, client, together(namespace, deployment("app", "registry/app:1", "64Mi", 2), budget("2")))
	apply(t, client, name, wanted)
	if err := client.Wait(t.Context(), wanted, &updates{}); err != nil {
		t.Fatal(err)
	}
	cordon(t, client, "drain-new", false)
	nodes, err := client.Nodes(t.Context())
	if err != nil || len(nodes) != 2 {
		t.Fatalf("%+v, %v", nodes, err)
	}
	if found := nodes[1]; found.Name != "drain-old" || found.Group != "data" || found.InstanceType != "t3.medium" || !found.Ready || found.Allocatable.Pods != 17 || found.Allocatable.Memory < 3<<30 {
		t.Errorf("%+v", found)
	}
	eventually(t, func() bool {
		blocking, err := client.BlockingPDBs(t.Context())
		return err == nil && slices.Contains(blocking, BlockingPDB{name, "strict", "2 of 2 pods healthy, and 2 must stay so"})
	})
	client.pace.deletion = 2 * time.Second
	told := &updates{}
	err = client.Drain(t.Context(), "drain-old", told)
	if err == nil || !strings.Contains(err.Error(), "PodDisruptionBudget strict: 2 of 2 pods healthy, and 2 must stay so") || !strings.Contains(err.Error(), "pod "+name+"/app-") || problem.From(err).Next == "" {
		t.Errorf("%v", err)
	}
	if !told.said("is kept by PodDisruptionBudget strict") {
		t.Errorf("%+v", told.all)
	}
	client.pace.deletion = 20 * time.Second
	apply(t, client, name, objects(t, name, together(namespace, deployment("app", "registry/app:1", "64Mi", 2), budget("1"))))
	if err := client.Drain(t.Context(), "drain-old", told); err != nil {
		t.Fatal(err)
	}
	pods, err := client.list(t.Context(), core("Pod"), name, "app=app")
	if err != nil {
		t.Fatal(err)
	}
	for i := range pods {
		if on, _, _ := unstructured.NestedString(pods[i].Object, "spec", "nodeName"); on == "drain-old" && pods[i].GetDeletionTimestamp() == nil {
			t.Errorf("%s is on it", pods[i].GetName())
		}
	}
	if err := client.Drain(t.Context(), "nothing", told); err == nil {
		t.Error("a node that is not there is drained")
	}
}

func cordon(t *testing.T, client *Client, node string, cordoned bool) {
	t.Helper()
	if err := client.Cordon(t.Context(), node, cordoned); err != nil {
		t.Fatal(err)
	}
}

func TestDeprecatedAPIs(t *testing.T) {
	client := open(t)
	if _, err := client.list(t.Context(), core("ComponentStatus"), "", ""); err != nil {
		t.Fatal(err)
	}
	found, err := client.DeprecatedAPIs(t.Context())
	if err != nil || !slices.Contains(found, DeprecatedAPI{Version: "v1", Resource: "componentstatuses"}) {
		t.Errorf("%+v, %v", found, err)
	}
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatal("it never came to hold")
}
