//go:build linux

package player

import (
	"context"
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/testenv/pods"
)

// node is a pod of a pool.
type node struct {
	pool               *unstructured.Unstructured
	id                 int
	broker, controller bool
}

func (n node) pod(cluster string) string {
	return fmt.Sprintf("%s-%s-%d", cluster, n.pool.GetName(), n.id)
}

func (n node) host(cluster string) string {
	return fmt.Sprintf("%s.%s-kafka-brokers.%s.svc", n.pod(cluster), cluster, Namespace)
}

func (p *Player) pools(ctx context.Context, cluster string) ([]unstructured.Unstructured, error) {
	all, err := p.list(ctx, "kafkanodepools")
	pools := slices.DeleteFunc(all, func(pool unstructured.Unstructured) bool { return pool.GetLabels()["strimzi.io/cluster"] != cluster })
	slices.SortFunc(pools, func(a, b unstructured.Unstructured) int { return strings.Compare(a.GetName(), b.GetName()) })
	return pools, err
}

// nodesOf numbers the nodes of all pools from 0, as Strimzi does the first time.
func nodesOf(pools []unstructured.Unstructured) []node {
	var nodes []node
	for i := range pools {
		roles, _, _ := unstructured.NestedStringSlice(pools[i].Object, "spec", "roles")
		replicas, _, _ := unstructured.NestedInt64(pools[i].Object, "spec", "replicas")
		for range replicas {
			nodes = append(nodes, node{
				pool: &pools[i], id: len(nodes),
				broker: slices.Contains(roles, "broker"), controller: slices.Contains(roles, "controller"),
			})
		}
	}
	return nodes
}

func brokersOf(nodes []node) []node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n node) bool { return !n.broker })
}

// pods makes the pods that are not there, leads connections to those that run,
// and says which are not ready. Those that are other than wanted it makes again:
// at once where they do not work, and one at a time where they do.
func (p *Player) pods(ctx context.Context, of *unstructured.Unstructured, nodes []node) (waiting []string, err error) {
	var outdated []*core.Pod
	brokers := 0
	for _, n := range nodes {
		found, current, err := p.pod(ctx, of, n)
		if err != nil {
			return nil, err
		}
		if n.broker && isReady(found) {
			if err := p.lead(ctx, found, brokers); err != nil {
				return nil, err
			}
		}
		if n.broker {
			brokers++
		}
		if !isReady(found) {
			waiting = append(waiting, found.Name)
		}
		if !current && found.DeletionTimestamp == nil {
			outdated = append(outdated, found)
		}
	}
	for _, pod := range outdated {
		if isReady(pod) && len(waiting) > 0 {
			continue
		}
		err := p.client.CoreV1().Pods(Namespace).Delete(ctx, pod.Name, meta.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		waiting = append(waiting, pod.Name)
	}
	return waiting, nil
}

// pod returns the pod of a node, which it makes with its claims if it is not
// there, and whether it is as wanted.
func (p *Player) pod(ctx context.Context, of *unstructured.Unstructured, n node) (pod *core.Pod, current bool, err error) {
	wanted, err := podOf(of, n)
	if err != nil {
		return nil, false, err
	}
	for _, claim := range claimsOf(of, n) {
		_, err := p.client.CoreV1().PersistentVolumeClaims(Namespace).Create(ctx, claim, meta.CreateOptions{})
		if err := ignoreExisting(err); err != nil {
			return nil, false, err
		}
	}
	pods := p.client.CoreV1().Pods(Namespace)
	found, err := pods.Get(ctx, wanted.Name, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		found, err = pods.Create(ctx, wanted, meta.CreateOptions{})
	}
	if err != nil {
		return nil, false, err
	}
	return found, found.Annotations[revision] == wanted.Annotations[revision], nil
}

func isReady(pod *core.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c core.PodCondition) bool {
		return c.Type == core.PodReady && c.Status == core.ConditionTrue
	})
}

// lead has connections to the pod of the i-th broker come to a real one.
func (p *Player) lead(ctx context.Context, pod *core.Pod, i int) error {
	if p.played[pod.Name] == string(pod.UID) {
		return nil
	}
	p.mu.Lock()
	address := p.brokers.SASLTLSAddress(i % p.brokers.Count())
	p.mu.Unlock()
	if err := p.options.Runner.Play(ctx, pod.Namespace, pod.Name, map[int]pods.Dial{port: pods.To(address)}); err != nil {
		return err
	}
	p.played[pod.Name] = string(pod.UID)
	return nil
}
