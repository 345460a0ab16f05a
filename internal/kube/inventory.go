package kube

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// inventoryNamespace is where the inventories are: it is in every cluster, and
// outlives the namespaces of the sets.
const inventoryNamespace = "kube-system"

func inventoryName(set string) string { return "gmctl-set-" + set }

func inventoryRef(set string) Ref {
	return Ref{Version: "v1", Kind: "ConfigMap", Namespace: inventoryNamespace, Name: inventoryName(set)}
}

// readInventory returns what the set has applied, or may have before it was
// killed. There is none before the first Apply.
func (c *Client) readInventory(ctx context.Context, set string) ([]Ref, bool, error) {
	object, err := c.fetch(ctx, inventoryRef(set))
	if err != nil || object == nil {
		return nil, false, explain(err, "the inventory of "+set+" could not be read")
	}
	text, _, _ := unstructured.NestedString(object.Object, "data", "objects")
	var refs []Ref
	for line := range strings.Lines(text) {
		var ref Ref
		if err := json.Unmarshal([]byte(line), &ref); err != nil {
			return nil, false, &problem.Error{
				What: "the inventory of " + set + " cannot be read", Cause: err,
				Next: "delete ConfigMap " + inventoryNamespace + "/" + inventoryName(set) + "; gmctl up writes it anew",
			}
		}
		refs = append(refs, ref)
	}
	return refs, true, nil
}

// writeInventory replaces what is listed of the set.
func (c *Client) writeInventory(ctx context.Context, set string, refs []Ref) error {
	var text strings.Builder
	for _, ref := range refs {
		line, err := json.Marshal(ref)
		if err != nil {
			return err
		}
		text.Write(line)
		text.WriteByte('\n')
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": inventoryName(set), "namespace": inventoryNamespace,
			"labels": map[string]any{"app.kubernetes.io/managed-by": "gmctl"},
		},
		"data": map[string]any{"objects": text.String()},
	}}
	_, err := c.patch(ctx, object, false)
	return explain(err, "the inventory of "+set+" could not be written")
}

func (c *Client) removeInventory(ctx context.Context, set string) error {
	where, err := c.resource(ctx, inventoryRef(set))
	if err == nil {
		err = where.Delete(ctx, inventoryName(set), metav1.DeleteOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return explain(err, "the inventory of "+set+" could not be deleted")
}

// refs names objects, in an order that does not change.
func refs(objects []*unstructured.Unstructured) []Ref {
	all := make([]Ref, len(objects))
	for i, object := range objects {
		all[i] = RefOf(object)
	}
	slices.SortFunc(all, compareRefs)
	return all
}

func compareRefs(a, b Ref) int {
	return strings.Compare(a.Group+"/"+a.Kind+"/"+a.Namespace+"/"+a.Name, b.Group+"/"+b.Kind+"/"+b.Namespace+"/"+b.Name)
}

// union returns those of the first, and of the second what the first has not.
func union(first, second []Ref) []Ref {
	all := slices.Clone(first)
	for _, ref := range second {
		if !contains(first, ref) {
			all = append(all, ref)
		}
	}
	slices.SortFunc(all, compareRefs)
	return all
}

func without(all, gone []Ref) []Ref {
	return slices.DeleteFunc(slices.Clone(all), func(ref Ref) bool { return contains(gone, ref) })
}

func contains(all []Ref, ref Ref) bool {
	return slices.ContainsFunc(all, func(other Ref) bool { return other.identity() == ref.identity() })
}

// obsolete is what the set once applied and no longer wants.
type obsolete struct {
	ref  Ref
	keep string // why it is not deleted; empty: it is
}

// findObsolete looks at what the inventory lists beside the wanted. What is
// gone, or is not of the set, is nobody's business any more.
func (c *Client) findObsolete(ctx context.Context, set string, listed, wanted []Ref) ([]obsolete, error) {
	var found []obsolete
	for _, ref := range without(listed, wanted) {
		live, err := c.fetch(ctx, ref)
		if err != nil {
			return nil, explain(err, ref.String()+" could not be read")
		}
		if live == nil || live.GetLabels()[LabelSet] != set {
			continue
		}
		keep := ""
		switch {
		case ref.isClaim():
			keep = "it holds data"
		case ref.isNamespace():
			keep, err = c.foreign(ctx, ref.Name, func(object *unstructured.Unstructured) bool {
				return contains(listed, RefOf(object)) && !contains(wanted, RefOf(object))
			})
			if keep != "" {
				keep = "it has " + keep
			}
		case ref.isCRD():
			keep, err = c.instances(ctx, live)
		}
		if err != nil {
			return nil, err
		}
		found = append(found, obsolete{ref, keep})
	}
	return found, nil
}

// instances says how many objects of a CRD there are, or nothing.
func (c *Client) instances(ctx context.Context, crd *unstructured.Unstructured) (string, error) {
	gvk, ok := servedBy(crd)
	if !ok {
		return "", nil
	}
	all, err := c.list(ctx, gvk, "", "")
	if err != nil && !errors.Is(err, errNoKind) {
		return "", explain(err, "the objects of "+crd.GetName()+" could not be listed")
	}
	if len(all) == 0 {
		return "", nil
	}
	return "there are " + count(len(all), gvk.Kind), nil
}
