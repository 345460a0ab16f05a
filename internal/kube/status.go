package kube

import (
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// standing is how far an object is.
type standing struct {
	state   readiness
	message string
}

type readiness int

const (
	onTheWay readiness = iota
	isReady
	hasFailed // and will not become ready by itself
)

// standingOf tells an object's standing from its status. It is kstatus's, except
// for kinds that it takes for ready before their controller has seen them.
func standingOf(object *unstructured.Unstructured) standing {
	ref := RefOf(object)
	switch {
	case ref.Group == "kafka.strimzi.io":
		return strimzi(ref, object)
	case ref.is("argoproj.io", "Application"):
		return application(object)
	case ref.is("batch", "Job"):
		return job(object)
	case ref.is("", "Pod"):
		return pod(object)
	}
	result, err := status.Compute(object)
	if err != nil {
		return standing{onTheWay, err.Error()}
	}
	switch result.Status {
	case status.CurrentStatus:
		return standing{isReady, result.Message}
	case status.FailedStatus:
		return standing{hasFailed, result.Message}
	}
	return standing{onTheWay, result.Message}
}

type condition struct{ Type, Status, Reason, Message string }

func conditions(object *unstructured.Unstructured) []condition {
	list, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	var all []condition
	for _, entry := range list {
		fields, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		text := func(name string) string { value, _ := fields[name].(string); return value }
		all = append(all, condition{text("type"), text("status"), text("reason"), text("message")})
	}
	return all
}

func conditionOf(object *unstructured.Unstructured, kind string) condition {
	for _, found := range conditions(object) {
		if found.Type == kind {
			return found
		}
	}
	return condition{}
}

func number(object *unstructured.Unstructured, path ...string) int64 {
	value, _, _ := unstructured.NestedFieldNoCopy(object.Object, path...)
	switch value := value.(type) {
	case int64:
		return value
	case float64:
		return int64(value)
	}
	return 0
}

// strimzi knows that the operator has not looked yet where there is no status.
// It sets Ready or NotReady for all kinds but node pools, which it only counts.
func strimzi(ref Ref, object *unstructured.Unstructured) standing {
	if number(object, "status", "observedGeneration") < object.GetGeneration() || object.GetGeneration() == 0 {
		return standing{onTheWay, "the Strimzi operator has not seen it yet"}
	}
	if not := conditionOf(object, "NotReady"); not.Status == "True" {
		return standing{onTheWay, said(not)}
	}
	ready := conditionOf(object, "Ready")
	switch {
	case ready.Status == "True":
		return standing{isReady, ""}
	case ready.Status == "False":
		return standing{onTheWay, said(ready)}
	case ref.Kind == "KafkaNodePool":
		nodes, _, _ := unstructured.NestedSlice(object.Object, "status", "nodeIds")
		if want := number(object, "spec", "replicas"); int64(len(nodes)) == want {
			return standing{isReady, ""}
		}
		return standing{onTheWay, "its nodes have no ids yet"}
	}
	return standing{onTheWay, "the Strimzi operator is at work"}
}

// application is an Argo CD Application: in sync and healthy, or not.
func application(object *unstructured.Unstructured) standing {
	health, _, _ := unstructured.NestedString(object.Object, "status", "health", "status")
	message, _, _ := unstructured.NestedString(object.Object, "status", "health", "message")
	sync, _, _ := unstructured.NestedString(object.Object, "status", "sync", "status")
	if health == "Healthy" && sync == "Synced" {
		return standing{isReady, ""}
	}
	if health == "" && sync == "" {
		return standing{onTheWay, "Argo CD has not seen it yet"}
	}
	texts := []string{strings.Trim(sync+", "+health, ", ")}
	if message != "" {
		texts = append(texts, message)
	}
	for _, found := range conditions(object) {
		if strings.HasSuffix(found.Type, "Error") {
			texts = append(texts, found.Message)
		}
	}
	return standing{onTheWay, strings.Join(texts, ": ")}
}

// job is ready when it has completed; kstatus is content with its start.
func job(object *unstructured.Unstructured) standing {
	if failed := conditionOf(object, "Failed"); failed.Status == "True" {
		return standing{hasFailed, said(failed)}
	}
	if conditionOf(object, "Complete").Status == "True" {
		return standing{isReady, ""}
	}
	if conditionOf(object, "Suspended").Status == "True" {
		return standing{onTheWay, "it is suspended"}
	}
	return standing{onTheWay, "it has not completed"}
}

// pod is ready when it says so, and when it is done. kstatus is content with one
// that has failed, and gives up one that no node has taken for a quarter of a minute.
func pod(object *unstructured.Unstructured) standing {
	phase, _, _ := unstructured.NestedString(object.Object, "status", "phase")
	switch {
	case phase == "Succeeded", phase == "Running" && conditionOf(object, "Ready").Status == "True":
		return standing{isReady, ""}
	case phase == "Failed":
		return standing{hasFailed, "it has failed"}
	}
	return standing{onTheWay, "it is not ready"}
}

func said(c condition) string {
	switch {
	case c.Message == "":
		return c.Reason
	case c.Reason == "":
		return c.Message
	}
	return c.Reason + ": " + c.Message
}

// inert reports whether objects of the kind are as ready as they ever are when
// they are applied.
func inert(ref Ref) bool {
	switch ref.Group {
	case "rbac.authorization.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "networking.k8s.io", "admissionregistration.k8s.io", "autoscaling", "policy":
		return ref.Kind != "Ingress"
	case "":
		switch ref.Kind {
		case "ConfigMap", "Secret", "ServiceAccount", "ResourceQuota", "LimitRange":
			return true
		}
	}
	return false
}
