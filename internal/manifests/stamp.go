package manifests

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ConfigAnnotation is, on a pod, the hash of the configuration it was started
// with and of the versions of its secrets: Kubernetes restarts no pod because
// these have changed. On a KafkaUser it is that of its password's version:
// Strimzi does not watch the Secret, and would come to it minutes later.
const ConfigAnnotation = "gmctl.gamemetrics.io/config"

// stampConfig puts the annotation on the object's pods, or on a KafkaUser, if
// they read ConfigMaps that are among the objects, or Secrets whose version (by
// NAMESPACE/NAME) is known.
func stampConfig(object *unstructured.Unstructured, objects []*unstructured.Unstructured, versions map[string]string) error {
	read := references(object, "configMap")
	var contents []any
	for _, other := range objects {
		if other.GetKind() == "ConfigMap" && other.GetNamespace() == object.GetNamespace() && read[other.GetName()] {
			contents = append(contents, other.Object["data"], other.Object["binaryData"])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(references(object, "secret"))) {
		if version := versions[object.GetNamespace()+"/"+name]; version != "" {
			contents = append(contents, version)
		}
	}
	if len(contents) == 0 {
		return nil
	}
	text, err := json.Marshal(contents)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	where := []string{"metadata", "annotations", ConfigAnnotation}
	if object.GetKind() != kafkaUser {
		where = append([]string{"spec", "template"}, where...)
	}
	return unstructured.SetNestedField(object.Object, hex.EncodeToString(sum[:8]), where...)
}

const kafkaUser = "KafkaUser"

// references names the ConfigMaps (kind "configMap") or Secrets ("secret") that
// the object's pods, or a KafkaUser, read.
func references(object *unstructured.Unstructured, kind string) map[string]bool {
	names := make(map[string]bool)
	add := func(from map[string]any, path ...string) {
		if name, ok, _ := unstructured.NestedString(from, path...); ok {
			names[name] = true
		}
	}
	if object.GetKind() == kafkaUser {
		add(object.Object, "spec", "authentication", "password", "valueFrom", kind+"KeyRef", "name")
	}
	for _, container := range containers(object) {
		for _, source := range mapsIn(container["envFrom"]) {
			add(source, kind+"Ref", "name")
		}
		for _, variable := range mapsIn(container["env"]) {
			add(variable, "valueFrom", kind+"KeyRef", "name")
		}
	}
	volumes, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "volumes")
	for _, volume := range mapsIn(volumes) {
		add(volume, kind, "name")
		add(volume, kind, "secretName") // what a Secret's name is called there
	}
	return names
}

// mapsIn returns the entries of a list that are maps.
func mapsIn(list any) []map[string]any {
	entries, _ := list.([]any)
	var found []map[string]any
	for _, entry := range entries {
		if entry, ok := entry.(map[string]any); ok {
			found = append(found, entry)
		}
	}
	return found
}
