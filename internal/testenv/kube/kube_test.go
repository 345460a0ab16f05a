//go:build unix

package kube_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gamemetrics/gmctl/internal/instancetypes"
	testkube "github.com/gamemetrics/gmctl/internal/testenv/kube"
)

// cluster is shared by the tests of this package.
var cluster = testkube.Shared{Options: testkube.Options{MissingImages: "/missing:"}}

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

func TestPodThatDoesNotFitStaysPendingAndOneThatFitsRuns(t *testing.T) {
	client, namespace := open(t)
	node(t, client, "small", "t3.small")
	create(t, client, pod(namespace, "broker", "2Gi"))
	create(t, client, pod(namespace, "ingestion", "1Gi"))
	eventually(t, func() (string, bool) {
		broker := get(t, client, namespace, "broker")
		message := condition(broker, corev1.PodScheduled).Message
		return message, broker.Status.Phase == corev1.PodPending && strings.Contains(message, "1 Insufficient memory")
	})
	eventually(t, func() (string, bool) {
		found := get(t, client, namespace, "ingestion")
		return string(found.Status.Phase), condition(found, corev1.PodReady).Status == corev1.ConditionTrue && found.Spec.NodeName == "small"
	})
}

func TestPodOfTheOwnImageIsLeftAlone(t *testing.T) {
	client, namespace := open(t)
	node(t, client, "own", "t3.medium")
	own := pod(namespace, "own", "64Mi")
	own.Labels = map[string]string{testkube.PartOfLabel: testkube.PartOf, testkube.ImageLabel: testkube.OwnImage}
	other := pod(namespace, "other", "64Mi")
	other.Labels = map[string]string{testkube.PartOfLabel: testkube.PartOf}
	create(t, client, own)
	create(t, client, other)
	eventually(t, func() (string, bool) {
		found := get(t, client, namespace, "other")
		return string(found.Status.Phase), found.Status.Phase == corev1.PodRunning
	})
	found := get(t, client, namespace, "own")
	if found.Spec.NodeName == "" || found.Status.Phase != corev1.PodPending {
		t.Errorf("on node %q, %s", found.Spec.NodeName, found.Status.Phase)
	}
}

func TestPodOfAMissingImageFailsToPullIt(t *testing.T) {
	client, namespace := open(t)
	node(t, client, "missing", "t3.medium")
	missing := pod(namespace, "missing", "64Mi")
	missing.Spec.Containers[0].Image = "registry.example/missing:1"
	create(t, client, missing)
	for _, reason := range []string{"ErrImagePull", "ImagePullBackOff"} {
		eventually(t, func() (string, bool) {
			found := get(t, client, namespace, "missing")
			if len(found.Status.ContainerStatuses) == 0 || found.Status.ContainerStatuses[0].State.Waiting == nil {
				return fmt.Sprint(found.Status), false
			}
			waiting := found.Status.ContainerStatuses[0].State.Waiting
			return waiting.Reason, waiting.Reason == reason && strings.Contains(waiting.Message, "not found")
		})
	}
}

func TestVersionIsThatOfTheModule(t *testing.T) {
	client, _ := open(t)
	version, err := client.Discovery().ServerVersion()
	if err != nil || version.GitVersion != cluster.Cluster(t).Version || version.Minor != "35" {
		t.Errorf("%+v, %v", version, err)
	}
}

// open returns a client and a namespace of the test's own.
func open(t *testing.T) (*kubernetes.Clientset, string) {
	t.Helper()
	client, err := kubernetes.NewForConfig(cluster.Cluster(t).AdminConfig())
	if err != nil {
		t.Fatal(err)
	}
	namespace, err := client.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() (string, bool) {
		_, err := client.CoreV1().ServiceAccounts(namespace.Name).Get(t.Context(), "default", metav1.GetOptions{})
		return fmt.Sprint(err), err == nil
	})
	return client, namespace.Name
}

// node adds a node for the time of the test; pods of the test go to it alone.
func node(t *testing.T, client *kubernetes.Clientset, name, instanceType string) {
	t.Helper()
	kind, _ := instancetypes.Lookup(instanceType)
	_, err := client.CoreV1().Nodes().Create(t.Context(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status:     corev1.NodeStatus{Capacity: list(kind.Capacity()), Allocatable: list(kind.Allocatable())},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.CoreV1().Nodes().Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

func list(of instancetypes.Resources) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(of.MilliCPU, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(of.MemoryBytes, resource.BinarySI),
		corev1.ResourcePods:   *resource.NewQuantity(int64(of.Pods), resource.DecimalSI),
	}
}

func pod(namespace, name, memory string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: name, Image: "registry.example/" + name + ":1",
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}},
		}}},
	}
}

func create(t *testing.T, client *kubernetes.Clientset, pod *corev1.Pod) {
	t.Helper()
	if _, err := client.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, client *kubernetes.Clientset, namespace, name string) *corev1.Pod {
	t.Helper()
	found, err := client.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, found := range pod.Status.Conditions {
		if found.Type == kind {
			return found
		}
	}
	return corev1.PodCondition{}
}

// eventually polls until check holds; it fails with what check saw last.
func eventually(t *testing.T, check func() (saw string, holds bool)) {
	t.Helper()
	const patience = 30 * time.Second
	var saw string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var holds bool
		if saw, holds = check(); holds {
			return
		}
	}
	t.Fatalf("after %s: %s", patience, saw)
}
