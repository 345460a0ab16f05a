package kube

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Secret is a Kubernetes Secret. It prints without its data.
type Secret struct {
	Namespace, Name string
	Type            string // empty: Opaque
	Annotations     map[string]string
	Labels          map[string]string
	Data            map[string][]byte
}

// String names the secret and nothing of its data.
func (s Secret) String() string { return "Secret " + s.Namespace + "/" + s.Name }

// GoString is String: %#v shows no data either.
func (s Secret) GoString() string { return s.String() }

func secretRef(namespace, name string) Ref {
	return Ref{Version: "v1", Kind: "Secret", Namespace: namespace, Name: name}
}

// ApplySecret makes the secret as it is given, as an object of the set, and
// reports whether that changed it. Keys that gmctl set before and that are not
// given go.
func (c *Client) ApplySecret(ctx context.Context, set string, secret Secret) (changed bool, err error) {
	ref := secretRef(secret.Namespace, secret.Name)
	before, err := c.fetch(ctx, ref)
	if err != nil {
		return false, explainObject(err, ref, "could not be read")
	}
	if _, err := takenByOther(set, before); err != nil {
		return false, err
	}
	labels := map[string]any{LabelSet: set}
	for key, value := range secret.Labels {
		labels[key] = value
	}
	annotations := map[string]any{}
	for key, value := range secret.Annotations {
		annotations[key] = value
	}
	data := map[string]any{}
	for key, value := range secret.Data {
		data[key] = base64.StdEncoding.EncodeToString(value)
	}
	kind := secret.Type
	if kind == "" {
		kind = "Opaque"
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": kind, "data": data,
		"metadata": map[string]any{"name": secret.Name, "namespace": secret.Namespace, "labels": labels, "annotations": annotations},
	}}
	after, err := c.patchSettled(ctx, object)
	if err != nil {
		return false, explainObject(err, ref, "could not be applied")
	}
	return before == nil || before.GetResourceVersion() != after.GetResourceVersion(), nil
}

// Secret returns a secret, or nil where it is not there.
func (c *Client) Secret(ctx context.Context, namespace, name string) (*Secret, error) {
	ref := secretRef(namespace, name)
	object, err := c.fetch(ctx, ref)
	if err != nil || object == nil {
		return nil, explainObject(err, ref, "could not be read")
	}
	secret := &Secret{
		Namespace: namespace, Name: name, Annotations: object.GetAnnotations(), Labels: object.GetLabels(), Data: map[string][]byte{},
	}
	secret.Type, _, _ = unstructured.NestedString(object.Object, "type")
	data, _, _ := unstructured.NestedStringMap(object.Object, "data")
	for key, encoded := range data {
		value, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, &problem.Error{What: ref.String() + " has a value that is not Base64: " + key}
		}
		secret.Data[key] = value
	}
	return secret, nil
}

// DeleteSecret removes a secret of the set. Gone already is as good; one that is
// not of the set stays.
func (c *Client) DeleteSecret(ctx context.Context, set, namespace, name string) error {
	ref := secretRef(namespace, name)
	object, err := c.fetch(ctx, ref)
	if err != nil {
		return explainObject(err, ref, "could not be read")
	}
	if object == nil || object.GetLabels()[LabelSet] != set {
		return nil
	}
	return c.remove(ctx, ref)
}

// EnsureNamespace makes a namespace of the set, unless it is there already.
func (c *Client) EnsureNamespace(ctx context.Context, set, name string) error {
	ref := Ref{Version: "v1", Kind: "Namespace", Name: name}
	live, err := c.fetch(ctx, ref)
	if err != nil {
		return explain(err, ref.String()+" could not be read")
	}
	if live != nil && live.GetDeletionTimestamp() == nil {
		return nil
	}
	_, err = c.patchSettled(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": name, "labels": map[string]any{LabelSet: set}},
	}})
	return explain(err, ref.String()+" could not be made")
}

// Restart starts the pods of a workload anew, as kubectl rollout restart does,
// once for each mark: what rotates a secret names its version.
func (c *Client) Restart(ctx context.Context, namespace, deployment, mark string) error {
	ref := Ref{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: namespace, Name: deployment}
	where, err := c.resource(ctx, ref)
	if err == nil {
		body, encodeErr := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
			"annotations": map[string]any{"gmctl.gamemetrics.io/restarted-for": mark},
		}}}})
		if encodeErr != nil {
			return encodeErr
		}
		_, err = where.Patch(ctx, deployment, types.MergePatchType, body, metav1.PatchOptions{FieldManager: "gmctl-restart"})
	}
	if apierrors.IsNotFound(err) || errors.Is(err, errNoKind) {
		return nil
	}
	return explain(err, ref.String()+" could not be restarted")
}
