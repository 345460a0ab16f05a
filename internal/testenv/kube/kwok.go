//go:build unix

package kube

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

//go:embed image-missing.yaml
var imageMissing []byte

// playedKinds are kwok's own kinds that tests make objects of.
func playedKinds() []string {
	return []string{"PortForward", "ClusterPortForward", "Logs", "ClusterLogs", "Exec", "ClusterExec"}
}

// installKwok makes the kinds that say how kwok plays a pod's ports and logs.
func (c *Cluster) installKwok(ctx context.Context) error {
	client, err := dynamic.NewForConfig(c.AdminConfig())
	if err != nil {
		return err
	}
	for _, kind := range playedKinds() {
		plural := strings.ToLower(kind) + "s"
		if strings.HasSuffix(kind, "Logs") {
			plural = strings.ToLower(kind)
		}
		content, err := os.ReadFile(c.binaries.kwokFile("crd/bases/kwok.x-k8s.io_" + plural + ".yaml"))
		if err != nil {
			return err
		}
		if err := c.define(ctx, client, content); err != nil {
			return fmt.Errorf("define kwok's %s: %w", kind, err)
		}
	}
	return nil
}

// define creates a CustomResourceDefinition and waits until the API serves it.
func (c *Cluster) define(ctx context.Context, client dynamic.Interface, content []byte) error {
	var definition unstructured.Unstructured
	if err := yaml.Unmarshal(content, &definition.Object); err != nil {
		return err
	}
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := definitions.Create(ctx, &definition, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return c.await(ctx, definition.GetName(), func() error {
		made, err := definitions.Get(ctx, definition.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions, _, err := unstructured.NestedSlice(made.Object, "status", "conditions")
		for _, condition := range conditions {
			if fields, ok := condition.(map[string]any); ok && fields["type"] == "Established" && fields["status"] == "True" {
				return nil
			}
		}
		return fmt.Errorf("it is not established: %v, %w", conditions, err)
	})
}

func (c *Cluster) startKwok() error {
	stages, err := c.stages()
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.file("stages.yaml"), stages, 0o600); err != nil {
		return err
	}
	return c.run("kwok",
		"--kubeconfig", c.kubeconfig(adminUser), "--config", c.file("stages.yaml"),
		"--manage-all-nodes", "--cidr", podRange, "--node-lease-duration-seconds", "40",
		"--node-ip", "127.0.0.1", "--node-port", strconv.Itoa(c.ports.kubelet),
		"--server-address", fmt.Sprintf("127.0.0.1:%d", c.ports.kubelet),
		"--enable-crds", strings.Join(playedKinds(), ","))
}

// stages are kwok's own for nodes that are ready at once and stay so, and for
// pods that are, narrowed to the pods that are to be played.
func (c *Cluster) stages() ([]byte, error) {
	var all bytes.Buffer
	for _, folder := range []string{"node/fast", "node/heartbeat-with-lease", "pod/fast"} {
		files, err := filepath.Glob(c.binaries.kwokFile("stage/" + folder + "/[np]o*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			if folder == "pod/fast" {
				if content, err = c.narrow(content, "played"); err != nil {
					return nil, fmt.Errorf("%s: %w", file, err)
				}
			}
			fmt.Fprintf(&all, "---\n%s\n", content)
		}
	}
	for stage := range bytes.SplitSeq(imageMissing, []byte("\n---\n")) {
		narrowed, err := c.narrow(stage, "missing")
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&all, "---\n%s\n", narrowed)
	}
	return all.Bytes(), nil
}

// kindOfPod is a jq filter that tells pods of the platform's own image, of a
// missing one and all others apart: "own", "missing", "played".
func (c *Cluster) kindOfPod() string {
	own := fmt.Sprintf(`(.metadata.labels // {} | .[%s] == %s and .[%s] == %s)`,
		quoted(PartOfLabel), quoted(PartOf), quoted(ImageLabel), quoted(OwnImage))
	missing := "false"
	if c.options.MissingImages != "" {
		missing = fmt.Sprintf(`any(.spec.containers[].image; test(%s))`, quoted(c.options.MissingImages))
	}
	return fmt.Sprintf(`if %s then "own" elif %s then "missing" else "played" end`, own, missing)
}

func quoted(text string) string {
	encoded, _ := json.Marshal(text) // a string can be encoded
	return string(encoded)
}

// narrow adds to the conditions of a stage that the pod is of that kind.
func (c *Cluster) narrow(content []byte, kind string) ([]byte, error) {
	var stage unstructured.Unstructured
	if err := yaml.Unmarshal(content, &stage.Object); err != nil {
		return nil, err
	}
	conditions, _, err := unstructured.NestedSlice(stage.Object, "spec", "selector", "matchExpressions")
	if err != nil {
		return nil, err
	}
	conditions = append(conditions, map[string]any{"key": c.kindOfPod(), "operator": "In", "values": []any{kind}})
	if err := unstructured.SetNestedSlice(stage.Object, conditions, "spec", "selector", "matchExpressions"); err != nil {
		return nil, err
	}
	return yaml.Marshal(stage.Object)
}
