package kube

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Apply makes the cluster have the objects, and what the set had applied before
// and no longer wants, gone. Namespaces come first, then CRDs until they are
// established, then what others refer to, workloads, and custom resources. A
// killed Apply goes on from any point: what it may have made is listed first.
//
// A namespace that is in several sets belongs to the first that makes it. What
// holds data, or something that gmctl has not made, is kept and told.
func (c *Client) Apply(ctx context.Context, set string, objects []*unstructured.Unstructured, report engine.Reporter) error {
	ctx = reporting(ctx, report)
	prepared, err := prepare(set, objects)
	if err != nil {
		return err
	}
	listed, _, err := c.readInventory(ctx, set)
	if err != nil {
		return err
	}
	prepared, err = c.unclaimed(ctx, set, prepared)
	if err != nil {
		return err
	}
	wanted := refs(prepared)
	if before := union(listed, wanted); !slices.Equal(before, listed) {
		if err := c.writeInventory(ctx, set, before); err != nil {
			return err
		}
	}
	if err := c.applyPhases(ctx, prepared, report); err != nil {
		return err
	}
	kept, err := c.prune(ctx, set, listed, wanted, report)
	if err != nil {
		return err
	}
	after := union(wanted, kept)
	if slices.Equal(after, listed) {
		return nil
	}
	return c.writeInventory(ctx, set, after)
}

// unclaimed leaves out namespaces that another set has made, and refuses other
// objects of another set.
func (c *Client) unclaimed(ctx context.Context, set string, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	taken := make([]bool, len(objects))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for i, object := range objects {
		work.Go(func() error {
			live, err := c.fetch(ctx, RefOf(object))
			if err != nil {
				return explain(err, RefOf(object).String()+" could not be read")
			}
			taken[i], err = takenByOther(set, live)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	var ours []*unstructured.Unstructured
	for i, object := range objects {
		if !taken[i] {
			ours = append(ours, object)
		}
	}
	return ours, nil
}

func takenByOther(set string, live *unstructured.Unstructured) (bool, error) {
	if live == nil {
		return false, nil
	}
	owner := live.GetLabels()[LabelSet]
	if owner == "" || owner == set {
		return false, nil
	}
	ref := RefOf(live)
	if ref.isNamespace() {
		return live.GetDeletionTimestamp() == nil, nil
	}
	return false, &problem.Error{
		What: ref.String() + " is in " + set + ", and in " + owner + " already",
		Next: "take it out of one of them in the manifests",
	}
}

func (c *Client) applyPhases(ctx context.Context, objects []*unstructured.Unstructured, report engine.Reporter) error {
	var done atomic.Int64
	for _, together := range phases(objects) {
		work, inWork := errgroup.WithContext(ctx)
		work.SetLimit(parallel)
		for _, object := range together {
			work.Go(func() error {
				err := c.applyOne(inWork, object)
				report.Report(engine.Update{
					Kind: engine.UpdateProgress, Message: "applying", Done: done.Add(1), Total: int64(len(objects)), Unit: "objects",
				})
				return err
			})
		}
		if err := work.Wait(); err != nil {
			return err
		}
		if len(together) > 0 && RefOf(together[0]).isCRD() {
			if err := c.Wait(ctx, together, report); err != nil {
				return err
			}
		}
	}
	return nil
}

// applyOne applies an object, and makes it anew where what changed cannot be
// changed and nothing is lost with it.
func (c *Client) applyOne(ctx context.Context, object *unstructured.Unstructured) error {
	ref := RefOf(object)
	_, err := c.patchSettled(ctx, object)
	if cannotChange(err) && replaceable(ref) {
		tell(ctx, engine.Update{Kind: engine.UpdateProgress, Message: "making " + ref.String() + " anew"})
		if err := c.remove(ctx, ref); err != nil {
			return err
		}
		if err := c.awaitGone(ctx, ref); err != nil {
			return err
		}
		_, err = c.patchSettled(ctx, object)
	}
	if cannotChange(err) {
		return &problem.Error{
			What: ref.String() + " has changed in what Kubernetes cannot change", Cause: explainObject(err, ref, "was refused"),
			Next: "look at what is lost with it, delete it yourself, then run gmctl up again",
		}
	}
	return explainObject(err, ref, "could not be applied")
}

// settleTime is how long what was just made may need until the API server knows it.
const settleTime = 30 * time.Second

// patchSettled applies an object, and waits for what is only just coming or
// going: the kind of a fresh CRD, a namespace that is being deleted.
func (c *Client) patchSettled(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	var (
		ref      = RefOf(object)
		deadline = time.Now().Add(settleTime)
	)
	for {
		applied, err := c.patch(ctx, object, false)
		switch {
		case err == nil && applied.GetDeletionTimestamp() != nil:
			err = c.awaitGone(ctx, ref)
		case isTerminating(err):
			err = c.awaitGone(ctx, Ref{Version: "v1", Kind: "Namespace", Name: ref.Namespace})
		case errors.Is(err, errNoKind), apierrors.IsNotFound(err): // its namespace, which another set may be making
			if time.Now().After(deadline) {
				return nil, &problem.Error{
					What: ref.String() + " could not be applied", Cause: err,
					Next: "what it needs is missing: run gmctl up with the stages that bring it",
				}
			}
			err = sleep(ctx, c.pace.poll)
		default:
			return applied, err
		}
		if err != nil {
			return nil, err
		}
	}
}

// patch is one server-side apply. A conflict goes our way: what gmctl renders is
// what the environment's configuration says.
func (c *Client) patch(ctx context.Context, object *unstructured.Unstructured, dryRun bool) (*unstructured.Unstructured, error) {
	ref := RefOf(object)
	served, err := c.kinds.find(ctx, ref.gvk())
	if err != nil {
		return nil, err
	}
	if served.Namespaced && ref.Namespace == "" {
		return nil, &problem.Error{What: ref.String() + " has no namespace", Next: "give it one in its manifest"}
	}
	body, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	options := metav1.PatchOptions{FieldManager: fieldManager, Force: new(true)}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return c.at(served, ref.Namespace).Patch(ctx, ref.Name, types.ApplyPatchType, body, options)
}

// prune deletes what the set no longer wants and returns what it keeps of that.
func (c *Client) prune(ctx context.Context, set string, listed, wanted []Ref, report engine.Reporter) ([]Ref, error) {
	found, err := c.findObsolete(ctx, set, listed, wanted)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b obsolete) int { return phase(b.ref) - phase(a.ref) }) // users before what they use
	var kept []Ref
	for _, old := range found {
		if old.keep != "" {
			report.Report(engine.Update{Kind: engine.UpdateWarning, Message: old.ref.String() + " is not wanted any more and stays: " + old.keep})
			kept = append(kept, old.ref)
			continue
		}
		report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "deleting " + old.ref.String()})
		if err := c.remove(ctx, old.ref); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// remove deletes an object, with what it owns. Gone already is as good.
func (c *Client) remove(ctx context.Context, ref Ref) error {
	where, err := c.resource(ctx, ref)
	if err == nil {
		policy := metav1.DeletePropagationBackground
		err = where.Delete(ctx, ref.Name, metav1.DeleteOptions{PropagationPolicy: &policy})
	}
	if apierrors.IsNotFound(err) || errors.Is(err, errNoKind) {
		return nil
	}
	return explain(err, ref.String()+" could not be deleted")
}

// replaceable reports whether an object can be deleted and made again without
// loss: jobs whose template changed, and bindings.
func replaceable(ref Ref) bool {
	switch ref.Group {
	case "batch":
		return ref.Kind == "Job"
	case "rbac.authorization.k8s.io":
		return ref.Kind == "RoleBinding" || ref.Kind == "ClusterRoleBinding"
	case "storage.k8s.io":
		return ref.Kind == "StorageClass"
	}
	return false
}

// cannotChange reports whether the API server refused to change what it has.
func cannotChange(err error) bool {
	if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "immutable") || strings.Contains(text, "cannot change roleRef") ||
		strings.Contains(text, "updates to ") && strings.Contains(text, "forbidden")
}

func isTerminating(err error) bool {
	return apierrors.HasStatusCause(err, "NamespaceTerminating")
}

// servedBy returns the kind that a CRD makes.
func servedBy(crd *unstructured.Unstructured) (schema.GroupVersionKind, bool) {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	name, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, version := range versions {
		if version, ok := version.(map[string]any); ok && version["storage"] == true {
			served, _ := version["name"].(string)
			return schema.GroupVersionKind{Group: group, Version: served, Kind: name}, group != ""
		}
	}
	return schema.GroupVersionKind{}, false
}

func sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}
