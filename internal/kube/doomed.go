package kube

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Doomed is something that goes when a set is deleted, or that stays when one
// would think that it goes.
type Doomed struct {
	Ref   Ref
	Holds string // what is lost with it: a claim's size, strangers in a namespace
	Kept  bool   // it stays: a volume whose reclaim policy says so
}

// Doomed returns what Delete would remove, with the data that is lost.
func (c *Client) Doomed(ctx context.Context, set string) ([]Doomed, error) {
	found, err := c.belongings(ctx, set)
	if err != nil {
		return nil, err
	}
	var all []Doomed
	for _, ref := range slices.Concat(found.objects, found.custom) {
		doomed := Doomed{Ref: ref}
		if ref.isNamespace() {
			if doomed.Holds, err = c.strangers(ctx, ref.Name); err != nil {
				return nil, err
			}
		}
		all = append(all, doomed)
	}
	for _, claim := range found.claims {
		all = append(all, Doomed{Ref: RefOf(claim), Holds: sizeOf(claim) + " of data"})
	}
	for _, volume := range found.stay {
		all = append(all, Doomed{Ref: volume, Kept: true})
	}
	slices.SortStableFunc(all, func(a, b Doomed) int { return compareRefs(a.Ref, b.Ref) })
	return all, nil
}

// sizeOf is what a claim has got, or what it asks for.
func sizeOf(claim *unstructured.Unstructured) string {
	size, _, _ := unstructured.NestedString(claim.Object, "status", "capacity", "storage")
	if size == "" {
		size, _, _ = unstructured.NestedString(claim.Object, "spec", "resources", "requests", "storage")
	}
	return size
}

// strangers says what is in a namespace that no set of gmctl has made.
func (c *Client) strangers(ctx context.Context, namespace string) (string, error) {
	return c.foreign(ctx, namespace, func(object *unstructured.Unstructured) bool {
		return object.GetLabels()[LabelSet] != "" || RefOf(object).isClaim()
	})
}

// foreign says what is in a namespace that did not come by itself and is not
// excused, or nothing.
func (c *Client) foreign(ctx context.Context, namespace string, excused func(*unstructured.Unstructured) bool) (string, error) {
	all, err := c.inside(ctx, namespace)
	if err != nil {
		return "", err
	}
	var found []string
	for i := range all {
		if object := &all[i]; !comesByItself(object) && !excused(object) {
			found = append(found, object.GetKind()+" "+object.GetName())
		}
	}
	return some(found), nil
}

// comesByItself reports whether Kubernetes or an operator has made an object.
func comesByItself(object *unstructured.Unstructured) bool {
	ref := RefOf(object)
	switch {
	case len(object.GetOwnerReferences()) > 0,
		object.GetLabels()["app.kubernetes.io/managed-by"] == "strimzi-cluster-operator",
		ref.Kind == "Event", ref.Kind == "Endpoints", ref.Kind == "EndpointSlice", ref.Kind == "Lease", ref.Kind == "PodMetrics",
		ref.is("", "ConfigMap") && ref.Name == "kube-root-ca.crt",
		ref.is("", "ServiceAccount") && ref.Name == "default":
		return true
	}
	return false
}

// inside lists everything in a namespace.
func (c *Client) inside(ctx context.Context, namespace string) ([]unstructured.Unstructured, error) {
	served, err := c.kinds.all(ctx)
	if err != nil {
		return nil, explain(err, "what the cluster serves could not be learned")
	}
	served = slices.DeleteFunc(served, func(k kind) bool { return !k.Namespaced })
	all, err := c.listKinds(ctx, served, namespace, "")
	return all, explain(err, "what is in namespace "+namespace+" could not be listed")
}
