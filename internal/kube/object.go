package kube

import (
	"context"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// LabelSet is on every object that gmctl makes and names its set.
const LabelSet = "gmctl.gamemetrics.io/set"

// parallel is how many requests are under way at once.
const parallel = 8

// Ref names one object.
type Ref struct {
	Group, Version, Kind, Namespace, Name string
}

// RefOf names an object.
func RefOf(object *unstructured.Unstructured) Ref {
	gvk := object.GroupVersionKind()
	return Ref{gvk.Group, gvk.Version, gvk.Kind, object.GetNamespace(), object.GetName()}
}

func (r Ref) gvk() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind}
}

// identity is a Ref without the version, in which kinds come and go.
func (r Ref) identity() Ref {
	r.Version = ""
	return r
}

// String names the object as people speak of it: "Deployment gamemetrics/ingestion".
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

func (r Ref) is(group, kind string) bool { return r.Group == group && r.Kind == kind }

func (r Ref) isNamespace() bool { return r.is("", "Namespace") }
func (r Ref) isCRD() bool       { return r.is("apiextensions.k8s.io", "CustomResourceDefinition") }
func (r Ref) isSecret() bool    { return r.is("", "Secret") }
func (r Ref) isClaim() bool     { return r.is("", "PersistentVolumeClaim") }

// custom reports whether a CRD made the kind: those of Kubernetes itself have
// groups without a dot or below k8s.io.
func (r Ref) custom() bool {
	return strings.Contains(r.Group, ".") && !strings.HasSuffix(r.Group, ".k8s.io")
}

// resource returns where objects of the kind are read and written.
func (c *Client) resource(ctx context.Context, ref Ref) (dynamic.ResourceInterface, error) {
	served, err := c.kinds.find(ctx, ref.gvk())
	if err != nil {
		return nil, err
	}
	return c.at(served, ref.Namespace), nil
}

func (c *Client) at(served kind, namespace string) dynamic.ResourceInterface {
	if served.Namespaced && namespace != "" {
		return c.objects.Resource(served.GroupVersionResource).Namespace(namespace)
	}
	return c.objects.Resource(served.GroupVersionResource)
}

// fetch returns an object, or nil where it, its namespace or its kind is not there.
func (c *Client) fetch(ctx context.Context, ref Ref) (*unstructured.Unstructured, error) {
	where, err := c.resource(ctx, ref)
	if errors.Is(err, errNoKind) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	object, err := where.Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return object, err
}

// list returns the objects of a kind, in all namespaces if none is named. A kind
// that is not there has none.
func (c *Client) list(ctx context.Context, gvk schema.GroupVersionKind, namespace, labels string) ([]unstructured.Unstructured, error) {
	where, err := c.resource(ctx, Ref{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Namespace: namespace})
	if errors.Is(err, errNoKind) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return listAll(ctx, where, metav1.ListOptions{LabelSelector: labels})
}

// pageSize is how many objects one answer brings.
const pageSize = 500

func listAll(ctx context.Context, where dynamic.ResourceInterface, options metav1.ListOptions) ([]unstructured.Unstructured, error) {
	var all []unstructured.Unstructured
	options.Limit = pageSize
	for {
		page, err := where.List(ctx, options)
		if apierrors.IsNotFound(err) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return all, nil
		}
	}
}

// typed converts objects to the structs of their kind.
func typed[T any](objects []unstructured.Unstructured) ([]T, error) {
	all := make([]T, len(objects))
	for i := range objects {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// core returns the kind of Kubernetes' oldest group.
func core(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Version: "v1", Kind: kind}
}

// prepare returns copies that carry the set's label, and refuses what could not
// be applied as one set.
func prepare(set string, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	seen := map[Ref]bool{}
	prepared := make([]*unstructured.Unstructured, 0, len(objects))
	for _, object := range objects {
		object = object.DeepCopy()
		ref := RefOf(object)
		if ref.Kind == "" || ref.Version == "" || ref.Name == "" {
			return nil, &problem.Error{What: "an object of " + set + " has no kind, version or name: " + ref.String()}
		}
		if seen[ref.identity()] {
			return nil, &problem.Error{What: ref.String() + " is twice in " + set}
		}
		seen[ref.identity()] = true
		labels := object.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[LabelSet] = set
		object.SetLabels(labels)
		unstructured.RemoveNestedField(object.Object, "status")
		unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
		prepared = append(prepared, object)
	}
	return prepared, nil
}

// phase is when an object is applied: each phase needs the ones before it.
func phase(ref Ref) int {
	switch {
	case ref.isNamespace():
		return 0
	case ref.isCRD():
		return 1
	case ref.custom(), ref.Group == "admissionregistration.k8s.io":
		return 4 // operators and webhooks must be on their way
	case workload(ref):
		return 3
	}
	return 2
}

// workload reports whether pods come from the object.
func workload(ref Ref) bool {
	switch ref.Group {
	case "apps":
		return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, ref.Kind)
	case "batch":
		return ref.Kind == "Job" || ref.Kind == "CronJob"
	}
	return ref.is("", "Pod")
}

// phases returns the objects in the order they are applied in.
func phases(objects []*unstructured.Unstructured) [][]*unstructured.Unstructured {
	sorted := make([][]*unstructured.Unstructured, 5)
	for _, object := range objects {
		at := phase(RefOf(object))
		sorted[at] = append(sorted[at], object)
	}
	return sorted
}
