//go:build unix

package nodegroups

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reconcile makes the nodes of a group what it says. It may be ended at any
// moment and begun anew.
func (c *Controller) reconcile(ctx context.Context, g group) error {
	switch {
	case g.Work == nil && g.Status != "ACTIVE":
		return nil
	case g.Work == nil:
		return c.scale(ctx, g, g.ScalingConfig.DesiredSize)
	}
	switch g.Work.Kind {
	case createWork, configWork:
		return c.scale(ctx, g, g.ScalingConfig.DesiredSize)
	case versionWork:
		return c.replace(ctx, g)
	case deleteWork:
		return c.scale(ctx, g, 0)
	}
	return fmt.Errorf("the work %s is not known", g.Work.Kind)
}

// nodes lists the nodes of a group, the oldest first.
func (c *Controller) nodes(ctx context.Context, g group) ([]corev1.Node, error) {
	found, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: groupLabel + "=" + g.Name})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found.Items, func(a, b corev1.Node) int {
		return cmp.Compare(a.Annotations[startedAnnotation], b.Annotations[startedAnnotation])
	})
	return found.Items, nil
}

// scale adds nodes, or drains and removes the youngest, and has all of them
// dressed as the group says.
func (c *Controller) scale(ctx context.Context, g group, size int) error {
	nodes, err := c.nodes(ctx, g)
	if err != nil {
		return err
	}
	for i := len(nodes); i < size; i++ {
		if err := c.add(ctx, g, zoneOf(g, i)); err != nil {
			return err
		}
	}
	for _, node := range nodes[min(size, len(nodes)):] {
		if err := c.retire(ctx, g, node.Name, true); err != nil {
			return err
		}
	}
	for _, node := range nodes[:min(size, len(nodes))] {
		if dress(&node, g) {
			if _, err := c.kube.CoreV1().Nodes().Update(ctx, &node, metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
	}
	return c.awaitReady(ctx, g)
}

// replace puts a node of the new version in the place of each old one.
func (c *Controller) replace(ctx context.Context, g group) error {
	wanted := g
	wanted.Version, wanted.ReleaseVersion = g.Work.Version, g.Work.ReleaseVersion
	nodes, err := c.nodes(ctx, g)
	if err != nil {
		return err
	}
	old := slices.DeleteFunc(slices.Clone(nodes), func(n corev1.Node) bool { return n.Labels[releaseLabel] == wanted.ReleaseVersion })
	count := len(nodes)
	for _, node := range old {
		if count <= g.ScalingConfig.DesiredSize { // not when an update that was ended has added it
			// EKS surges in every zone, so that what is bound to one finds a place in it.
			if err := c.add(ctx, wanted, node.Labels[corev1.LabelTopologyZone]); err != nil {
				return err
			}
			count++
		}
		if err := c.awaitReady(ctx, g); err != nil {
			return err
		}
		err := c.retire(ctx, g, node.Name, g.Work.Force)
		if why := (*failure)(nil); errors.As(err, &why) {
			return errors.Join(why, c.giveUp(ctx, g, node.Name))
		}
		if err != nil {
			return err
		}
		count--
	}
	return c.scale(ctx, wanted, g.ScalingConfig.DesiredSize)
}

// giveUp lets pods on the old node again after an update failed, and removes the
// node that was one too many.
func (c *Controller) giveUp(ctx context.Context, g group, stuck string) error {
	if err := c.cordon(ctx, stuck, false); err != nil {
		return err
	}
	return c.scale(ctx, g, g.ScalingConfig.DesiredSize)
}

func (c *Controller) add(ctx context.Context, g group, zone string) error {
	node, err := newNode(g, zone)
	if err != nil {
		return err
	}
	_, err = c.kube.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	return err
}

// awaitReady returns when all nodes of the group are ready.
func (c *Controller) awaitReady(ctx context.Context, g group) error {
	for {
		nodes, err := c.nodes(ctx, g)
		if err != nil || !slices.ContainsFunc(nodes, func(n corev1.Node) bool { return !usable(n) }) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(poll / 2):
		}
	}
}

// usable reports whether a node is ready and no longer kept from pods because it
// was not.
func usable(n corev1.Node) bool {
	kept := slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady })
	return !kept && slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// terminate removes a node and what is still on it.
func (c *Controller) terminate(ctx context.Context, node string) error {
	pods, err := c.pods(ctx, node)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		if err := c.kube.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0)); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	if err := c.kube.CoreV1().Nodes().Delete(ctx, node, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return nil
}
