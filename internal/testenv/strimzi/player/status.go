//go:build linux

package player

import (
	"context"
	"maps"
	"reflect"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The conditions by which Strimzi's operators tell how a resource is.
func ready() map[string]any { return map[string]any{"type": "Ready", "status": "True"} }

func notReady(why string) map[string]any {
	return map[string]any{"type": "NotReady", "status": "True", "reason": "Creating", "message": why}
}

func refused(reason, why string) map[string]any { // by the topic operator, which has no NotReady
	return map[string]any{"type": "Ready", "status": "False", "reason": reason, "message": why}
}

// tell writes the status of a custom resource.
func (p *Player) tell(ctx context.Context, plural string, of *unstructured.Unstructured, condition, more map[string]any) error {
	status := map[string]any{"observedGeneration": of.GetGeneration(), "conditions": []any{condition}}
	maps.Copy(status, more)
	return p.putStatus(ctx, plural, of, status)
}

// tellPool counts the nodes of a pool.
func (p *Player) tellPool(ctx context.Context, pool *unstructured.Unstructured, nodes []node) error {
	ids := []any{}
	for _, n := range nodes {
		if n.pool.GetName() == pool.GetName() {
			ids = append(ids, int64(n.id))
		}
	}
	roles, _, _ := unstructured.NestedSlice(pool.Object, "spec", "roles")
	return p.putStatus(ctx, "kafkanodepools", pool, map[string]any{
		"observedGeneration": pool.GetGeneration(), "nodeIds": ids, "replicas": int64(len(ids)), "roles": roles,
	})
}

// putStatus writes a status that is another than the one that is there, but for
// the times of its conditions.
func (p *Player) putStatus(ctx context.Context, plural string, of *unstructured.Unstructured, status map[string]any) error {
	before, _, _ := unstructured.NestedMap(of.Object, "status")
	if before != nil && reflect.DeepEqual(withoutTimes(before), status) {
		return nil
	}
	changed := of.DeepCopy()
	if conditions, ok := status["conditions"].([]any); ok {
		now := time.Now().UTC().Format(time.RFC3339)
		for _, condition := range conditions {
			condition.(map[string]any)["lastTransitionTime"] = now
		}
	}
	changed.Object["status"] = status
	_, err := p.dynamic.Resource(kind(plural)).Namespace(Namespace).UpdateStatus(ctx, changed, meta.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // it is seen again
	}
	return err
}

func withoutTimes(status map[string]any) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(status, "conditions")
	if conditions == nil {
		return status
	}
	for _, condition := range conditions {
		delete(condition.(map[string]any), "lastTransitionTime")
	}
	status["conditions"] = conditions
	return status
}

// putSecret makes a secret, or gives the one that is there its data.
func (p *Player) putSecret(ctx context.Context, wanted *core.Secret) error {
	secrets := p.client.CoreV1().Secrets(wanted.Namespace)
	found, err := secrets.Get(ctx, wanted.Name, meta.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = secrets.Create(ctx, wanted, meta.CreateOptions{})
		return ignoreExisting(err)
	case err != nil || reflect.DeepEqual(found.Data, wanted.Data):
		return err
	}
	found.Data = wanted.Data
	_, err = secrets.Update(ctx, found, meta.UpdateOptions{})
	return err
}
