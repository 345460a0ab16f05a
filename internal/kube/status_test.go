package kube

import (
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	encoded, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	object := map[string]any{}
	if err := json.Unmarshal(encoded, &object); err != nil { // numbers as the API server's answers have them
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: object}
}

func TestStanding(t *testing.T) {
	const (
		kafka = "apiVersion: kafka.strimzi.io/v1\nkind: Kafka\nmetadata: {name: a, generation: 2}\n"
		pool  = "apiVersion: kafka.strimzi.io/v1\nkind: KafkaNodePool\nmetadata: {name: a, generation: 1}\nspec: {replicas: 3}\n"
		app   = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\n"
		job   = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n"
		pod   = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, creationTimestamp: '2026-01-01T00:00:00Z'}\n"
	)
	for name, test := range map[string]struct {
		text    string
		state   readiness
		message string
	}{
		"a fresh Kafka":            {kafka, onTheWay, "has not seen it"},
		"a Kafka that was changed": {kafka + "status: {observedGeneration: 1, conditions: [{type: Ready, status: 'True'}]}", onTheWay, "has not seen it"},
		"a Kafka that is not well": {kafka + "status: {observedGeneration: 2, conditions: [{type: NotReady, status: 'True', reason: Fatal, message: no storage}]}", onTheWay, "no storage"},
		"a Kafka":                  {kafka + "status: {observedGeneration: 2, conditions: [{type: Ready, status: 'True'}]}", isReady, ""},
		"a fresh pool":             {pool, onTheWay, "has not seen it"},
		"a pool without its nodes": {pool + "status: {observedGeneration: 1, nodeIds: [0]}", onTheWay, "no ids"},
		"a pool":                   {pool + "status: {observedGeneration: 1, nodeIds: [0, 1, 2]}", isReady, ""},
		"a fresh application":      {app, onTheWay, "has not seen it"},
		"a degraded application":   {app + "status: {health: {status: Degraded, message: no pods}, sync: {status: Synced}}", onTheWay, "no pods"},
		"an application":           {app + "status: {health: {status: Healthy}, sync: {status: Synced}}", isReady, ""},
		"a job that has begun":     {job + "status: {active: 1, startTime: '2026-01-01T00:00:00Z'}", onTheWay, "not completed"},
		"a job that failed":        {job + "status: {conditions: [{type: Failed, status: 'True', reason: BackoffLimitExceeded}]}", hasFailed, "BackoffLimitExceeded"},
		"a job that is done":       {job + "status: {conditions: [{type: Complete, status: 'True'}]}", isReady, ""},
		"a fresh pod":              {pod, onTheWay, "not ready"},
		"a pod without a node":     {pod + "status: {phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable}]}", onTheWay, "not ready"},
		"a pod that starts":        {pod + "status: {phase: Running, conditions: [{type: Ready, status: 'False'}]}", onTheWay, "not ready"},
		"a pod":                    {pod + "status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}", isReady, ""},
		"a pod that failed":        {pod + "status: {phase: Failed}", hasFailed, "failed"},
		"a pod that is done":       {pod + "status: {phase: Succeeded}", isReady, ""},
		"a deployment": {
			"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, generation: 1}\nspec: {replicas: 1}\n" +
				"status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions: [{type: Available, status: 'True'}]}",
			isReady, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if found := standingOf(parse(t, test.text)); found.state != test.state || !strings.Contains(found.message, test.message) {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestPodCause(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/log") {
			w.Write([]byte("the last line\n"))
			return
		}
		answer(w, http.StatusNotFound, "no")
	})
	for name, test := range map[string]struct {
		status string
		kind   causeKind
		text   string
	}{
		"fits nowhere": {
			"conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: '0/1 nodes are available: 1 Insufficient memory. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.'}]",
			unschedulable, "0/1 nodes are available: 1 Insufficient memory (it asks for 2048 MiB",
		},
		"no such image": {
			"containerStatuses: [{name: c, image: 'registry/app:1', state: {waiting: {reason: ErrImagePull, message: 'manifest unknown: not found'}}}]",
			noImage, "image registry/app:1 of pod p cannot be pulled",
		},
		"registry is away": {
			"containerStatuses: [{name: c, image: 'registry/app:1', state: {waiting: {reason: ImagePullBackOff, message: 'dial tcp: connection refused'}}}]",
			passing, "connection refused",
		},
		"crashes": {
			"containerStatuses: [{name: c, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]",
			crashing, "container c of pod p ended with exit code 137 (OOMKilled), restarted 2 times: the last line",
		},
		"has crashed enough": {
			"containerStatuses: [{name: c, restartCount: 5, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}}]",
			dead, "exit code 1, restarted 5 times",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pods, err := typed[corev1.Pod]([]unstructured.Unstructured{*parse(t,
				"metadata: {name: p, namespace: ns}\nspec: {containers: [{name: c, resources: {requests: {memory: 2Gi, cpu: 500m}}}]}\nstatus: {"+test.status+"}")})
			if err != nil {
				t.Fatal(err)
			}
			found, err := client.podCause(t.Context(), &pods[0])
			if err != nil || found.kind != test.kind || !strings.Contains(found.text, test.text) {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

func TestDifferences(t *testing.T) {
	before := parse(t, "spec: {replicas: 1, paused: true, containers: [{name: app, image: 'a:1'}], data: {long: \"a\\nb\"}}").Object
	after := parse(t, "spec: {replicas: 2, containers: [{name: app, image: 'a:2'}], data: {long: \"a\\nc\"}}").Object
	want := "spec.containers[app].image: a:1 → a:2, spec.data.long, spec.paused goes, spec.replicas: 1 → 2"
	if found := strings.Join(differences(before, after, "", false), ", "); found != want {
		t.Error(found)
	}
	want = "spec.containers[app].image, spec.data.long, spec.paused, spec.replicas"
	if found := strings.Join(differences(before, after, "", true), ", "); found != want {
		t.Errorf("of a secret: %s", found)
	}
}

func TestSecretPrintsNoData(t *testing.T) {
	secret := Secret{Namespace: "n", Name: "s", Data: map[string][]byte{"password": []byte("hunter2")}}
	for _, text := range []string{secret.String(), secret.GoString()} {
		if text != "Secret n/s" {
			t.Error(text)
		}
	}
}
