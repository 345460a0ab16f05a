//go:build unix

package strimzi_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/gamemetrics/gmctl/internal/testenv"
	"github.com/gamemetrics/gmctl/internal/testenv/kube"
	"github.com/gamemetrics/gmctl/internal/testenv/strimzi"
)

// The definitions are Strimzi's own: a real API server takes them, and refuses a
// Kafka that Strimzi would not understand.
func TestAKafkaIsHeldAgainstItsDefinition(t *testing.T) {
	files, err := strimzi.CRDs(t.Context())
	testenv.Require(t, testenv.Kafka, err)
	if len(files) < 5 {
		t.Fatalf("only %d definitions", len(files))
	}
	client, err := dynamic.NewForConfig(kube.Run(t, kube.Options{}).AdminConfig())
	if err != nil {
		t.Fatal(err)
	}
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(bytes.TrimSpace(text), &object.Object); err != nil {
			t.Fatal(err)
		}
		if _, err := definitions.Create(t.Context(), object, meta.CreateOptions{}); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
	}
	kafkas := client.Resource(schema.GroupVersionResource{Group: "kafka.strimzi.io", Version: "v1", Resource: "kafkas"}).Namespace("default")
	kafka := func(name string, listener map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "kafka.strimzi.io/v1", "kind": "Kafka", "metadata": map[string]any{"name": name},
			"spec": map[string]any{"kafka": map[string]any{"listeners": []any{listener}}},
		}}
	}
	good := kafka("good", map[string]any{"name": "tls", "port": int64(9093), "type": "internal", "tls": true})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, err = kafkas.Create(t.Context(), good, meta.CreateOptions{}); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	bad := kafka("bad", map[string]any{"name": "tls", "port": int64(80), "type": "nowhere", "tls": true})
	if _, err := kafkas.Create(t.Context(), bad, meta.CreateOptions{}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a listener of a type that there is not: %v", err)
	}
}
