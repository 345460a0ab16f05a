//go:build linux

package pods

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// kwok's kinds that tell it, as the kubelet that the API server asks, where a
// port-forward of a pod leads and where its logs are. They are not in the pod's
// namespace, in which a user would meet them.
var (
	portForwards = schema.GroupVersionResource{Group: "kwok.x-k8s.io", Version: "v1alpha1", Resource: "clusterportforwards"}
	podLogs      = schema.GroupVersionResource{Group: "kwok.x-k8s.io", Version: "v1alpha1", Resource: "clusterlogs"}
)

// announcedAs is the name of the kwok objects of a pod.
func announcedAs(pod types.NamespacedName) string { return pod.Namespace + "." + pod.Name }

// announce makes the pod's ports and logs reachable through the API server.
func (p *pod) announce() error {
	forwards := map[int]int{}
	var logs []any
	for _, c := range slices.Concat(p.inits, p.mains) {
		for _, port := range c.spec.Ports {
			here, err := p.sandbox.forward(int(port.ContainerPort))
			if err != nil {
				return err
			}
			forwards[int(port.ContainerPort)] = here
		}
		logs = append(logs, map[string]any{
			"containers": []any{c.spec.Name}, "logsFile": filepath.Join(c.dir, "current.log"),
			"previousLogsFile": filepath.Join(c.dir, "previous.log"), "follow": true,
		})
	}
	if err := p.runner.forward(p.soft, p.key, forwards); err != nil {
		return err
	}
	return p.runner.put(p.soft, podLogs, "ClusterLogs", p.key, map[string]any{"logs": logs})
}

func (p *pod) unannounce() {
	ctx := context.WithoutCancel(p.hard)
	if p.runner.ctx.Err() != nil {
		return // the control plane ends with the runner
	}
	for _, resource := range []schema.GroupVersionResource{portForwards, podLogs} {
		err := p.runner.dynamic.Resource(resource).Delete(ctx, announcedAs(p.key), meta.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			p.runner.log("%s of pod %s cannot be deleted: %v", resource.Resource, p.key, err)
		}
	}
}

// forward has port-forwards of a pod lead to ports of this machine.
func (r *Runner) forward(ctx context.Context, pod types.NamespacedName, ports map[int]int) error {
	var forwards []any
	for port, here := range ports {
		forwards = append(forwards, map[string]any{
			"ports": []any{int64(port)}, "target": map[string]any{"address": "127.0.0.1", "port": int64(here)},
		})
	}
	if len(forwards) == 0 {
		return nil
	}
	return r.put(ctx, portForwards, "ClusterPortForward", pod, map[string]any{"forwards": forwards})
}

// put makes one of kwok's objects, or replaces what it says.
func (r *Runner) put(ctx context.Context, resource schema.GroupVersionResource, kind string, pod types.NamespacedName, spec map[string]any) error {
	spec["selector"] = map[string]any{"matchNamespaces": []any{pod.Namespace}, "matchNames": []any{pod.Name}}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": resource.GroupVersion().String(), "kind": kind,
		"metadata": map[string]any{"name": announcedAs(pod)}, "spec": spec,
	}}
	_, err := r.dynamic.Resource(resource).
		Apply(ctx, announcedAs(pod), object, meta.ApplyOptions{FieldManager: "gmctl-testbed", Force: true})
	if err != nil {
		return fmt.Errorf("tell kwok of pod %s: %w", pod, err)
	}
	return nil
}
