package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Delete removes a set and returns when it is proved gone: custom resources
// while their operators can still clean up after them, then load balancers,
// webhooks and workloads, claims with their volumes, CRDs, and namespaces last.
// What carries no label of the set is not touched, but for what is inside its
// namespaces, and objects of its CRDs.
func (c *Client) Delete(ctx context.Context, set string, report engine.Reporter) error {
	ctx = reporting(ctx, report)
	found, err := c.belongings(ctx, set)
	if err != nil {
		return err
	}
	for _, volume := range found.stay {
		report.Report(engine.Update{Kind: engine.UpdateWarning, Message: volume.String() + " stays when its claim goes: its reclaim policy is not Delete"})
	}
	for _, step := range found.steps() {
		if err := c.deleteAll(ctx, step, report); err != nil {
			return err
		}
	}
	if err := c.proveGone(ctx, set); err != nil {
		return err
	}
	return c.removeInventory(ctx, set)
}

// step is what is deleted at once, and awaited before the next.
type step struct {
	delete []Ref
	await  []Ref // beside what is deleted
}

func (b belongings) steps() []step {
	order := make([]step, 8)
	for _, ref := range slices.Concat(b.objects, b.custom) {
		at := 5
		switch {
		case ref.is("kafka.strimzi.io", "KafkaTopic"), ref.is("kafka.strimzi.io", "KafkaUser"), ref.is("argoproj.io", "Application"):
			at = 0 // what the Kafka below runs an operator for, and what would make others anew
		case ref.custom():
			at = 1
		case ref.is("", "Service"), ref.is("networking.k8s.io", "Ingress"):
			at = 2
		case workload(ref), ref.Group == "admissionregistration.k8s.io", ref.is("apiregistration.k8s.io", "APIService"):
			at = 3
		case ref.isCRD():
			at = 6
		case ref.isNamespace():
			at = 7
		}
		order[at].delete = append(order[at].delete, ref)
	}
	for _, claim := range b.claims {
		order[4].delete = append(order[4].delete, RefOf(claim))
	}
	order[4].await = b.volumes
	return order
}

func (c *Client) deleteAll(ctx context.Context, together step, report engine.Reporter) error {
	if len(together.delete) == 0 {
		return nil
	}
	report.Report(engine.Update{Kind: engine.UpdateProgress, Message: "deleting " + kindsOf(together.delete)})
	work, inWork := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for _, ref := range together.delete {
		work.Go(func() error {
			if workload(ref) {
				return c.removeWithPods(inWork, ref)
			}
			return c.remove(inWork, ref)
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	return c.awaitGone(ctx, slices.Concat(together.delete, together.await)...)
}

// removeWithPods lets the object stay until its pods are gone.
func (c *Client) removeWithPods(ctx context.Context, ref Ref) error {
	where, err := c.resource(ctx, ref)
	if err == nil {
		policy := metav1.DeletePropagationForeground
		err = where.Delete(ctx, ref.Name, metav1.DeleteOptions{PropagationPolicy: &policy})
	}
	if apierrors.IsNotFound(err) || errors.Is(err, errNoKind) {
		return nil
	}
	return explain(err, ref.String()+" could not be deleted")
}

// kindsOf counts objects by kind: "6 KafkaTopics, 1 Kafka".
func kindsOf(all []Ref) string {
	counts := map[string]int{}
	var order []string
	for _, ref := range all {
		if counts[ref.Kind] == 0 {
			order = append(order, ref.Kind)
		}
		counts[ref.Kind]++
	}
	var texts []string
	for _, kind := range order {
		texts = append(texts, count(counts[kind], kind))
	}
	return some(texts)
}

// awaitGone returns when none of the objects is there. It gives up when none has
// gone for long, and says what holds the next.
func (c *Client) awaitGone(ctx context.Context, all ...Ref) error {
	var (
		left  = all
		last  string
		told  string // what goes at once is not told
		since = time.Now()
	)
	for first := true; ; first = false {
		remaining, why, err := c.stillThere(ctx, left)
		if err != nil {
			return err
		}
		if len(remaining) == 0 {
			return nil
		}
		message := fmt.Sprintf("%s to go%s", firstOf(names(remaining)), why)
		if len(remaining) < len(left) || message != last {
			last, since = message, time.Now()
		}
		if !first && message != told {
			told = message
			tell(ctx, engine.Update{
				Kind: engine.UpdateWaiting, Message: message,
				Done: int64(len(all) - len(remaining)), Total: int64(len(all)), Unit: "objects", Usually: 30 * time.Second,
			})
		}
		if left = remaining; !first && time.Since(since) > c.pace.deletion {
			return stuck(left[0], why, c.pace.deletion)
		}
		if err := sleep(ctx, c.pace.poll/2); err != nil {
			return err
		}
	}
}

// stuck is the error of what does not go.
func stuck(ref Ref, why string, after time.Duration) error {
	p := &problem.Error{
		What: fmt.Sprintf("%s does not go, and nothing has changed for %s", ref, after),
		Next: "see to what holds it, then run it again: it goes on from there",
	}
	if why = strings.TrimPrefix(why, ": "); why != "" {
		p.Cause = errors.New(why)
	}
	if strings.HasPrefix(why, "finalizer ") {
		p.Next = "its finalizer is for an operator to remove: see whether that runs; where it never will, remove it: " +
			fmt.Sprintf(`kubectl patch %s --type=merge -p '{"metadata":{"finalizers":null}}'`, ref.forKubectl())
	}
	return p
}

func names(all []Ref) []string {
	texts := make([]string, len(all))
	for i, ref := range all {
		texts[i] = ref.String()
	}
	return texts
}

// stillThere returns those that are, and what holds the first of them: one that
// something is known of, if there is any.
func (c *Client) stillThere(ctx context.Context, all []Ref) ([]Ref, string, error) {
	live := make([]*unstructured.Unstructured, len(all))
	work, inWork := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for i, ref := range all {
		work.Go(func() error {
			var err error
			live[i], err = c.fetch(inWork, ref)
			return explain(err, ref.String()+" could not be read")
		})
	}
	if err := work.Wait(); err != nil {
		return nil, "", err
	}
	var (
		left []Ref
		why  string
	)
	for i, object := range live {
		if object == nil {
			continue
		}
		left = append(left, all[i])
		if why != "" {
			continue
		}
		var err error
		if why, err = c.holder(ctx, object); err != nil {
			return nil, "", err
		}
		if last := len(left) - 1; why != "" {
			left[0], left[last] = left[last], left[0]
		}
	}
	return left, why, nil
}

// holder says what keeps an object that is being deleted.
func (c *Client) holder(ctx context.Context, object *unstructured.Unstructured) (string, error) {
	var texts []string
	for _, found := range conditions(object) {
		if strings.HasPrefix(found.Type, "Namespace") && found.Status == "True" {
			texts = append(texts, found.Message)
		}
	}
	if workload(RefOf(object)) {
		pods, err := c.podsOf(ctx, object)
		if err != nil {
			return "", explain(err, "the pods of "+RefOf(object).String()+" could not be read")
		}
		for i := range pods {
			texts = append(texts, fmt.Sprintf("pod %s on node %s has not ended", pods[i].Name, pods[i].Spec.NodeName))
		}
	}
	if len(texts) == 0 {
		for _, finalizer := range object.GetFinalizers() {
			texts = append(texts, "finalizer "+finalizer)
		}
	}
	if len(texts) == 0 {
		return "", nil
	}
	return ": " + some(texts), nil
}

// proveGone looks for the set's label in everything that the cluster serves.
func (c *Client) proveGone(ctx context.Context, set string) error {
	left, err := c.belongings(ctx, set)
	if err != nil {
		return err
	}
	if err := c.awaitGone(ctx, left.owned...); err != nil {
		return err
	}
	if left.empty() {
		return nil
	}
	return &problem.Error{
		What: set + " is not gone: there is " + some(names(left.objects)) + " again",
		Next: "find out what makes it (an operator, Argo CD, another gmctl), then run it again",
	}
}
