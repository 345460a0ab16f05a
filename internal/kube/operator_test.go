//go:build unix

package kube

import (
	"strings"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

const kafkas = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: kafkas.kafka.strimzi.io}
spec:
  group: kafka.strimzi.io
  scope: Namespaced
  names: {kind: Kafka, plural: kafkas, singular: kafka}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`

const kafka = "apiVersion: kafka.strimzi.io/v1\nkind: Kafka\nmetadata: {name: gamemetrics, namespace: NS}\nspec: {}\n"

// What an operator sees to does not become ready without it: that is told at
// once. Of an operator that runs and does nothing it is told where to look.
func TestWaitNamesTheOperator(t *testing.T) {
	client := open(t)
	client.pace.standstill = 3 * time.Second
	node(t, client, "operator", "t3.medium")
	cordon(t, client, "operator", true)
	name, wanted := set(t, client, together(namespace, kafkas, kafka))
	apply(t, client, name, wanted)
	operator := "Deployment " + name + "/strimzi-cluster-operator"

	told := &updates{}
	err := client.Wait(t.Context(), wanted, told)
	if p := problem.From(err); p == nil || !strings.Contains(err.Error(), "its operator is not there: "+operator) || !strings.Contains(p.Next, "gmctl up") {
		t.Errorf("%+v", err)
	}
	if !told.said("its operator is not there") {
		t.Errorf("%+v", told.all)
	}

	deployed := objects(t, name, together(namespace, kafkas, kafka, deployment("strimzi-cluster-operator", "registry/operator:1", "64Mi", 1)))
	apply(t, client, name, deployed)
	err = client.Wait(t.Context(), wanted, told)
	if err == nil || !strings.Contains(err.Error(), "its operator, "+operator+", is not ready: pod strimzi-cluster-operator-") || !strings.Contains(err.Error(), "is Pending: ") {
		t.Errorf("%+v", err)
	}

	cordon(t, client, "operator", false)
	client.pace.unschedulable, client.pace.standstill = time.Minute, 20*time.Second
	if err := client.Wait(t.Context(), deployed[3:], told); err != nil {
		t.Fatal(err)
	}
	client.pace.standstill = 3 * time.Second
	err = client.Wait(t.Context(), wanted, told)
	if p := problem.From(err); p == nil || !strings.Contains(err.Error(), "has not seen it yet") ||
		p.Next != "see what the operator says: kubectl logs -n "+name+" deployment/strimzi-cluster-operator" {
		t.Errorf("%+v", err)
	}
}
