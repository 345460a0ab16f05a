//go:build unix

package kube

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gamemetrics/gmctl/internal/problem"
)

const guarded = "apiVersion: test.gamemetrics.io/v1\nkind: SETWidget\nmetadata: {name: guarded, namespace: NS, finalizers: [test.gamemetrics.io/operator]}\n"

// playOperator removes the finalizers of widgets that are being deleted, as long
// as the operator's deployment is there.
func playOperator(t *testing.T, client *Client, name string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	t.Cleanup(func() { cancel(); work.Wait() })
	widgets := Ref{Group: "test.gamemetrics.io", Version: "v1", Kind: name + "Widget", Namespace: name}
	work.Go(func() {
		for sleep(ctx, 50*time.Millisecond) == nil {
			operator, err := client.fetch(ctx, Ref{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: name, Name: "operator"})
			if err != nil || operator == nil || operator.GetDeletionTimestamp() != nil {
				continue
			}
			all, _ := client.list(ctx, widgets.gvk(), name, "")
			for i := range all {
				if all[i].GetDeletionTimestamp() == nil {
					continue
				}
				if where, err := client.resource(ctx, widgets); err == nil {
					where.Patch(ctx, all[i].GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
				}
			}
		}
	})
}

func create(t *testing.T, client *Client, object *unstructured.Unstructured) {
	t.Helper()
	where, err := client.resource(t.Context(), RefOf(object))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := where.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// Custom resources go while their operator can clean up after them, those too
// that someone else has made; claims are named with what they hold, and a
// volume that is to be kept stays and is told.
func TestDeleteInOrder(t *testing.T) {
	client := open(t)
	node(t, client, "delete", "t3.medium")
	name, wanted := set(t, client, together(namespace, widgets, guarded, deployment("operator", "registry/operator:1", "64Mi", 1)))
	playOperator(t, client, name)
	apply(t, client, name, wanted)
	if err := client.Wait(t.Context(), wanted, &updates{}); err != nil {
		t.Fatal(err)
	}
	theirs := objects(t, name, strings.ReplaceAll(guarded, "name: guarded", "name: theirs"))[0]
	create(t, client, theirs)
	volume := objects(t, name, "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: SET}\nspec: {capacity: {storage: 8Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, storageClassName: '', hostPath: {path: /nothing}, claimRef: {namespace: NS, name: data}}\n")[0]
	create(t, client, volume)
	t.Cleanup(func() { client.remove(context.Background(), RefOf(volume)) })
	claim := objects(t, name, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: NS}\nspec: {storageClassName: '', accessModes: [ReadWriteOnce], volumeName: SET, resources: {requests: {storage: 8Gi}}}\n")[0]
	create(t, client, claim)
	eventually(t, func() bool {
		live, err := client.fetch(t.Context(), RefOf(claim))
		phase, _, _ := unstructured.NestedString(live.Object, "status", "phase")
		return err == nil && phase == "Bound"
	})

	doomed, err := client.Doomed(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[Ref]Doomed{
		RefOf(claim):  {Ref: RefOf(claim), Holds: "8Gi of data"},
		RefOf(volume): {Ref: RefOf(volume), Kept: true},
		RefOf(theirs): {Ref: RefOf(theirs)},
	} {
		found := false
		for _, one := range doomed {
			found = found || one == want
		}
		if !found {
			t.Errorf("no %s in %+v", ref, doomed)
		}
	}
	told := &updates{}
	if err := client.Delete(t.Context(), name, told); err != nil {
		t.Fatal(err)
	}
	if !told.said("PersistentVolume "+name+" stays") || !there(t, client, RefOf(volume)) {
		t.Errorf("%+v", told.all)
	}
	for _, ref := range append(refs(wanted), RefOf(theirs), RefOf(claim)) {
		if there(t, client, ref) {
			t.Errorf("%s is not gone", ref)
		}
	}
}

// Without its operator a finalizer stays: that is told, with what to do.
func TestDeleteThatIsStuck(t *testing.T) {
	client := open(t)
	name, wanted := set(t, client, together(namespace, widgets, guarded))
	apply(t, client, name, wanted)
	client.pace.deletion = time.Second
	told := &updates{}
	err := client.Delete(t.Context(), name, told)
	if err == nil || !strings.Contains(err.Error(), "finalizer test.gamemetrics.io/operator") || !strings.Contains(problem.From(err).Next, "kubectl patch") {
		t.Errorf("%v", err)
	}
	if !told.said("guarded to go: finalizer test.gamemetrics.io/operator") {
		t.Errorf("%+v", told.all)
	}
	where, err := client.resource(t.Context(), RefOf(wanted[2]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := where.Patch(t.Context(), "guarded", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	client.pace.deletion = 20 * time.Second
	if err := client.Delete(t.Context(), name, told); err != nil {
		t.Error(err)
	}
}
