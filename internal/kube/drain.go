package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Drain cordons a node and evicts its pods, as their disruption budgets allow,
// until none is left but those of DaemonSets. While a budget blocks, it names
// the budget and the pod; it gives up when a budget has blocked for long and
// nothing else moved.
func (c *Client) Drain(ctx context.Context, node string, report engine.Reporter) error {
	ctx = reporting(ctx, report)
	if err := c.Cordon(ctx, node, true); err != nil {
		return err
	}
	var (
		total = -1
		last  string
		since = time.Now()
	)
	for {
		pods, err := c.evictable(ctx, node)
		if err != nil {
			return err
		}
		if len(pods) == 0 {
			return nil
		}
		total = max(total, len(pods))
		blocked, err := c.evictAll(ctx, pods)
		if err != nil {
			return err
		}
		message := fmt.Sprintf("%s of node %s to move", count(len(pods), "pod"), node)
		if blocked != "" {
			message += ": " + blocked
		}
		if message != last {
			last, since = message, time.Now()
			report.Report(engine.Update{
				Kind: engine.UpdateWaiting, Message: message,
				Done: int64(total - len(pods)), Total: int64(total), Unit: "pods", Usually: time.Minute,
			})
		}
		if time.Since(since) > c.pace.deletion {
			p := &problem.Error{
				What: fmt.Sprintf("node %s is not empty: %s, and nothing has changed for %s", node, count(len(pods), "pod"), c.pace.deletion),
				Next: "see why the pod does not end, then run it again: the node is cordoned, and it goes on from there",
			}
			if blocked != "" {
				p.Cause = errors.New(blocked)
				p.Next = "give the workload another replica or the budget more room, then run it again: the node is cordoned, and it goes on from there"
			}
			return p
		}
		if err := sleep(ctx, c.pace.poll); err != nil {
			return err
		}
	}
}

// evictable returns the pods of a node that have to go.
func (c *Client) evictable(ctx context.Context, node string) ([]corev1.Pod, error) {
	where, err := c.resource(ctx, Ref{Version: "v1", Kind: "Pod"})
	if err != nil {
		return nil, explain(err, "the pods of node "+node+" could not be listed")
	}
	list, err := listAll(ctx, where, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return nil, explain(err, "the pods of node "+node+" could not be listed")
	}
	pods, err := typed[corev1.Pod](list)
	return slices.DeleteFunc(pods, func(pod corev1.Pod) bool {
		_, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]
		daemon := slices.ContainsFunc(pod.OwnerReferences, func(owner metav1.OwnerReference) bool { return owner.Kind == "DaemonSet" })
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		return mirror || daemon || ended
	}), err
}

// evictAll asks for the eviction of each pod, and says what blocks the first
// that cannot go.
func (c *Client) evictAll(ctx context.Context, pods []corev1.Pod) (string, error) {
	blocked := ""
	for i := range pods {
		pod := &pods[i]
		if pod.DeletionTimestamp != nil {
			continue
		}
		err := c.evict(ctx, pod)
		switch {
		case err == nil, apierrors.IsNotFound(err):
		case apierrors.IsTooManyRequests(err):
			if blocked == "" {
				if blocked, err = c.blockedBy(ctx, pod, err); err != nil {
					return "", err
				}
			}
		default:
			return "", explain(err, fmt.Sprintf("pod %s/%s could not be evicted", pod.Namespace, pod.Name))
		}
	}
	return blocked, nil
}

func (c *Client) evict(ctx context.Context, pod *corev1.Pod) error {
	where := c.objects.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(pod.Namespace)
	eviction := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "policy/v1", "kind": "Eviction",
		"metadata": map[string]any{"name": pod.Name, "namespace": pod.Namespace},
	}}
	_, err := where.Create(ctx, eviction, metav1.CreateOptions{}, "eviction")
	return err
}

// blockedBy names the budget that keeps a pod where it is, with its arithmetic.
// The API server's refusal stands in for a budget that is not found; nil: there
// was none, and without a budget nothing keeps the pod.
func (c *Client) blockedBy(ctx context.Context, pod *corev1.Pod, refusal error) (string, error) {
	budgets, err := c.budgets(ctx, pod.Namespace)
	if err != nil {
		return "", err
	}
	var texts []string
	for i := range budgets {
		budget := &budgets[i]
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err != nil || !selector.Matches(labels.Set(pod.Labels)) || budget.Status.DisruptionsAllowed > 0 {
			continue
		}
		texts = append(texts, fmt.Sprintf("PodDisruptionBudget %s: %s", budget.Name, arithmetic(budget)))
	}
	if len(texts) == 0 {
		if refusal == nil {
			return "", nil
		}
		texts = []string{refusal.Error()}
	}
	return fmt.Sprintf("pod %s/%s is kept by %s", pod.Namespace, pod.Name, strings.Join(texts, "; ")), nil
}

func arithmetic(budget *policyv1.PodDisruptionBudget) string {
	return fmt.Sprintf("%d of %s healthy, and %d must stay so",
		budget.Status.CurrentHealthy, count(int(budget.Status.ExpectedPods), "pod"), budget.Status.DesiredHealthy)
}

func (c *Client) budgets(ctx context.Context, namespace string) ([]policyv1.PodDisruptionBudget, error) {
	list, err := c.list(ctx, schema.GroupVersionKind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}, namespace, "")
	if err != nil {
		return nil, explain(err, "the disruption budgets could not be listed")
	}
	return typed[policyv1.PodDisruptionBudget](list)
}

// BlockingPDB is a disruption budget that would let no drain through.
type BlockingPDB struct {
	Namespace, Name string
	Why             string // "2 of 2 pods healthy, and 2 must stay so"
}

// BlockingPDBs returns the budgets that can never be satisfied while a pod of
// theirs moves: even with all pods healthy, none may go.
func (c *Client) BlockingPDBs(ctx context.Context) ([]BlockingPDB, error) {
	budgets, err := c.budgets(ctx, "")
	if err != nil {
		return nil, err
	}
	var blocking []BlockingPDB
	for i := range budgets {
		budget := &budgets[i]
		if budget.Status.ExpectedPods > 0 && budget.Status.DesiredHealthy >= budget.Status.ExpectedPods {
			blocking = append(blocking, BlockingPDB{budget.Namespace, budget.Name, arithmetic(budget)})
		}
	}
	return blocking, nil
}

// Blocked names a pod of a cordoned node that a disruption budget keeps there,
// with the budget, or nothing: what somebody else's drain may wait for.
func (c *Client) Blocked(ctx context.Context) (string, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return "", err
	}
	for _, node := range nodes {
		if !node.Cordoned {
			continue
		}
		pods, err := c.evictable(ctx, node.Name)
		if err != nil {
			return "", err
		}
		for i := range pods {
			blocked, err := c.blockedBy(ctx, &pods[i], nil)
			if err != nil || blocked != "" {
				return blocked, err
			}
		}
	}
	return "", nil
}
