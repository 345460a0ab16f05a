//go:build unix

package nodegroups

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// retire cordons a node, drains it and removes it. Pods that do not leave in
// time fail it, unless force has them deleted.
func (c *Controller) retire(ctx context.Context, g group, node string, force bool) error {
	if err := c.cordon(ctx, node, true); err != nil {
		return err
	}
	stuck, err := c.drain(ctx, node)
	if err != nil {
		return err
	}
	if stuck != "" && !force {
		c.log.Info("drain: gave up", "node", node, "why", stuck)
		return failed("PodEvictionFailure", "Reached max retries while trying to evict pods from nodes in node group "+g.Name, node)
	}
	return c.terminate(ctx, node)
}

// cordon keeps new pods from a node, or lets them on it again.
func (c *Controller) cordon(ctx context.Context, node string, keep bool) error {
	patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%t}}`, keep)
	_, err := c.kube.CoreV1().Nodes().Patch(ctx, node, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// drain evicts the pods of a node and waits until they are gone. What held the
// last of them when the time was up is stuck; "" if they all left.
func (c *Controller) drain(ctx context.Context, node string) (stuck string, err error) {
	for deadline := time.Now().Add(c.evictionTimeout); ; {
		pods, err := c.pods(ctx, node)
		if err != nil {
			return "", err
		}
		pods = slices.DeleteFunc(pods, staysWithNode)
		if len(pods) == 0 {
			return "", nil
		}
		for _, pod := range pods {
			stuck = fmt.Sprintf("%s/%s does not end", pod.Namespace, pod.Name)
			if pod.DeletionTimestamp != nil {
				continue
			}
			held, err := c.evict(ctx, pod)
			if err != nil {
				return "", err
			}
			if held != "" {
				stuck = fmt.Sprintf("%s/%s: %s", pod.Namespace, pod.Name, held)
			}
		}
		if time.Now().After(deadline) {
			return stuck, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(poll):
		}
	}
}

// evict asks for a pod to leave; held says what does not let it.
func (c *Controller) evict(ctx context.Context, pod corev1.Pod) (held string, err error) {
	err = c.kube.PolicyV1().Evictions(pod.Namespace).Evict(ctx, &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
	})
	switch {
	case apierrors.IsTooManyRequests(err):
		return err.Error(), nil
	case apierrors.IsNotFound(err):
		return "", nil
	}
	return "", err
}

// pods lists what is on a node.
func (c *Controller) pods(ctx context.Context, node string) ([]corev1.Pod, error) {
	found, err := c.kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return nil, err
	}
	return found.Items, nil
}

// staysWithNode tells pods that a drain leaves: those of DaemonSets, which would
// come back, and those that have ended.
func staysWithNode(pod corev1.Pod) bool {
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	return ended || slices.ContainsFunc(pod.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Kind == "DaemonSet" })
}
