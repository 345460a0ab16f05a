package kube

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// belongings are what goes with a set when it is deleted.
type belongings struct {
	objects []Ref                        // that carry the set's label, and that nothing owns
	owned   []Ref                        // carry it too, and go with their owner
	custom  []Ref                        // objects of the set's CRDs that are in no set, or in another
	claims  []*unstructured.Unstructured // that its workloads made, or that are in its namespaces
	volumes []Ref                        // that the claims are bound to, and that go with them
	stay    []Ref                        // volumes that are kept when their claim goes
}

func (b belongings) empty() bool { return len(b.objects)+len(b.custom)+len(b.claims) == 0 }

// belongings finds them by their label in everything that the cluster serves:
// an inventory may be lost, labels are on the objects.
func (c *Client) belongings(ctx context.Context, set string) (belongings, error) {
	var b belongings
	served, err := c.kinds.all(ctx)
	if err != nil {
		return b, explain(err, "what the cluster serves could not be learned")
	}
	labelled, err := c.listKinds(ctx, served, "", LabelSet+"="+set)
	if err != nil {
		return b, explain(err, "the objects of "+set+" could not be listed")
	}
	for i := range labelled {
		object := &labelled[i]
		ref := RefOf(object)
		switch {
		case len(object.GetOwnerReferences()) > 0:
			b.owned = append(b.owned, ref)
		case ref.Kind == "Endpoints" || ref.Kind == "EndpointSlice": // have the labels of their Service
		case ref.isClaim():
			b.claim(object)
		default:
			b.objects = append(b.objects, ref)
			if err := c.follow(ctx, set, &b, object); err != nil {
				return b, err
			}
		}
	}
	return b, c.bound(ctx, &b)
}

// follow finds what an object of the set has brought with it.
func (c *Client) follow(ctx context.Context, set string, b *belongings, object *unstructured.Unstructured) error {
	ref := RefOf(object)
	switch {
	case ref.isCRD():
		gvk, ok := servedBy(object)
		if !ok {
			return nil
		}
		instances, err := c.list(ctx, gvk, "", "")
		if err != nil {
			return explain(err, "the objects of "+ref.Name+" could not be listed")
		}
		for i := range instances {
			if len(instances[i].GetOwnerReferences()) == 0 && instances[i].GetLabels()[LabelSet] != set {
				b.custom = append(b.custom, RefOf(&instances[i]))
			}
		}
		return nil
	case ref.isNamespace():
		return c.claimsIn(ctx, set, b, ref.Name, "")
	case ref.is("kafka.strimzi.io", "Kafka"):
		return c.claimsIn(ctx, set, b, ref.Namespace, "strimzi.io/cluster="+ref.Name)
	case ref.is("apps", "StatefulSet"):
		fields, found, err := unstructured.NestedMap(object.Object, "spec", "selector")
		if err != nil || !found {
			return err
		}
		selectors, err := typed[metav1.LabelSelector]([]unstructured.Unstructured{{Object: fields}})
		if err != nil {
			return err
		}
		return c.claimsIn(ctx, set, b, ref.Namespace, metav1.FormatLabelSelector(&selectors[0]))
	}
	return nil
}

func (c *Client) claimsIn(ctx context.Context, set string, b *belongings, namespace, labels string) error {
	claims, err := c.list(ctx, core("PersistentVolumeClaim"), namespace, labels)
	if err != nil {
		return explain(err, "the volume claims in "+namespace+" could not be listed")
	}
	for i := range claims {
		if of := claims[i].GetLabels()[LabelSet]; of == "" || of == set {
			b.claim(&claims[i])
		}
	}
	return nil
}

func (b *belongings) claim(object *unstructured.Unstructured) {
	same := func(other *unstructured.Unstructured) bool { return other.GetUID() == object.GetUID() }
	if !slices.ContainsFunc(b.claims, same) {
		b.claims = append(b.claims, object)
	}
}

// bound finds the volumes of the claims.
func (c *Client) bound(ctx context.Context, b *belongings) error {
	for _, claim := range b.claims {
		name, _, _ := unstructured.NestedString(claim.Object, "spec", "volumeName")
		if name == "" {
			continue
		}
		ref := Ref{Version: "v1", Kind: "PersistentVolume", Name: name}
		volume, err := c.fetch(ctx, ref)
		if err != nil {
			return explain(err, ref.String()+" could not be read")
		}
		if volume == nil {
			continue
		}
		if policy, _, _ := unstructured.NestedString(volume.Object, "spec", "persistentVolumeReclaimPolicy"); policy == "Delete" {
			b.volumes = append(b.volumes, ref)
		} else {
			b.stay = append(b.stay, ref)
		}
	}
	return nil
}

// listKinds lists objects of many kinds, in no particular order.
func (c *Client) listKinds(ctx context.Context, served []kind, namespace, labels string) ([]unstructured.Unstructured, error) {
	found := make([][]unstructured.Unstructured, len(served))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for i, one := range served {
		work.Go(func() error {
			var err error
			found[i], err = listAll(ctx, c.at(one, namespace), metav1.ListOptions{LabelSelector: labels})
			if apierrors.IsMethodNotSupported(err) {
				return nil
			}
			return err
		})
	}
	err := work.Wait()
	return slices.Concat(found...), err
}
