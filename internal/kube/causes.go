package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// cause is why an object is not ready, as far as its pods and events tell.
type cause struct {
	kind causeKind
	text string
	next string
}

type causeKind int

const (
	unknownCause  causeKind = iota
	passing                 // such as a container that starts
	unschedulable           // for now: a node may come
	unattended              // for now: no operator is there to see to it
	crashing                // again and again
	noImage                 // the registry has answered that there is none
	dead                    // will not come back by itself
)

// lonely causes are what lacks something that may yet come, and seldom does.
func (k causeKind) lonely() bool { return k == unschedulable || k == unattended }

// crashesEnough is how often a container is started again before its wait ends.
const crashesEnough = 5

// nextOfCrash is what to do about a container that ended.
const nextOfCrash = "read its log: gmctl logs"

// podsOf returns the pods that an object has, in the order of inOrder.
func (c *Client) podsOf(ctx context.Context, object *unstructured.Unstructured) ([]corev1.Pod, error) {
	ref := RefOf(object)
	var selector string
	switch {
	case ref.is("", "Pod"):
		pods, err := typed[corev1.Pod]([]unstructured.Unstructured{*object})
		return pods, err
	case ref.is("kafka.strimzi.io", "Kafka"):
		selector = "strimzi.io/cluster=" + ref.Name
	case ref.is("kafka.strimzi.io", "KafkaNodePool"):
		selector = "strimzi.io/cluster=" + object.GetLabels()["strimzi.io/cluster"] + ",strimzi.io/pool-name=" + ref.Name
	case workload(ref):
		fields, found, err := unstructured.NestedMap(object.Object, "spec", "selector")
		if err != nil || !found {
			return nil, err
		}
		parsed, err := typed[metav1.LabelSelector]([]unstructured.Unstructured{{Object: fields}})
		if err != nil {
			return nil, err
		}
		selector = metav1.FormatLabelSelector(&parsed[0])
	default:
		return nil, nil
	}
	list, err := c.list(ctx, core("Pod"), ref.Namespace, selector)
	if err != nil {
		return nil, err
	}
	pods, err := typed[corev1.Pod](list)
	inOrder(ref, pods)
	return pods, err
}

// inOrder sorts the pods of an object. Those with names of their own are in the
// order of these, so that of several in the same trouble it is always the same one
// that is named; of others the newest is first, since that is the new version.
func inOrder(ref Ref, pods []corev1.Pod) {
	named := ref.Group == "kafka.strimzi.io" || ref.is("apps", "StatefulSet")
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		if newer := b.CreationTimestamp.Compare(a.CreationTimestamp.Time); newer != 0 && !named {
			return newer
		}
		return cmp.Compare(a.Name, b.Name)
	})
}

func podReady(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded {
		return true
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}

// findCause looks for the worst reason among the pods of an object, and then
// among what its controller says.
func (c *Client) findCause(ctx context.Context, object *unstructured.Unstructured) (cause, error) {
	pods, err := c.podsOf(ctx, object)
	if err != nil {
		return cause{}, err
	}
	var causes []cause
	for i := range pods {
		if podReady(&pods[i]) || pods[i].DeletionTimestamp != nil {
			continue
		}
		found, err := c.podCause(ctx, &pods[i])
		if err != nil {
			return cause{}, err
		}
		causes = append(causes, found)
	}
	if len(causes) > 0 {
		worst := slices.MaxFunc(causes, func(a, b cause) int { return cmp.Compare(a.kind, b.kind) })
		if worst.kind > passing || worst.text != "" {
			return worst, nil
		}
	}
	return c.ownCause(ctx, object)
}

// ownCause is what the controllers say of the object itself: a quota, a claim
// that no volume is made for.
func (c *Client) ownCause(ctx context.Context, object *unstructured.Unstructured) (cause, error) {
	ref := RefOf(object)
	if why, err := c.operatorCause(ctx, object); err != nil || why.text != "" {
		return why, err
	}
	if refused := conditionOf(object, "ReplicaFailure"); refused.Status == "True" {
		return cause{passing, refused.Message, nextOfRefusal(refused.Message)}, nil
	}
	if !workload(ref) && !ref.isClaim() && !ref.is("", "Service") {
		return cause{}, nil
	}
	event, err := c.lastWarning(ctx, ref)
	if err != nil || event.Message == "" {
		return cause{}, err
	}
	return cause{passing, event.Reason + ": " + event.Message, nextOfRefusal(event.Message)}, nil
}

func nextOfRefusal(message string) string {
	if strings.Contains(message, "quota") {
		return "raise the namespace's ResourceQuota, or ask for less"
	}
	return ""
}

// podCause says why a pod is not ready.
func (c *Client) podCause(ctx context.Context, pod *corev1.Pod) (cause, error) {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return c.unscheduled(ctx, pod, condition)
		}
	}
	if pod.Status.Phase == corev1.PodFailed && pod.Status.Message != "" {
		return cause{dead, fmt.Sprintf("pod %s: %s: %s", pod.Name, pod.Status.Reason, pod.Status.Message), ""}, nil
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if found, err := c.containerCause(ctx, pod, status); err != nil || found.text != "" {
			return found, err
		}
	}
	if time.Since(pod.CreationTimestamp.Time) < startingTime {
		return cause{kind: passing}, nil
	}
	event, err := c.lastWarning(ctx, Ref{Version: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name})
	if err != nil {
		return cause{}, err
	}
	// It is an old story of a pod that has its node.
	if event.Message == "" || event.Reason == "FailedScheduling" && pod.Spec.NodeName != "" {
		return cause{kind: passing}, nil
	}
	return cause{passing, fmt.Sprintf("pod %s: %s: %s", pod.Name, event.Reason, oneLine(event.Message)), ""}, nil
}

// startingTime is how long a pod may be on its way before its events are read.
const startingTime = 5 * time.Second

func (c *Client) unscheduled(ctx context.Context, pod *corev1.Pod, condition corev1.PodCondition) (cause, error) {
	if strings.Contains(condition.Message, "unbound immediate PersistentVolumeClaims") {
		for _, volume := range pod.Spec.Volumes {
			if volume.PersistentVolumeClaim == nil {
				continue
			}
			claim := volume.PersistentVolumeClaim.ClaimName
			event, err := c.lastWarning(ctx, Ref{Version: "v1", Kind: "PersistentVolumeClaim", Namespace: pod.Namespace, Name: claim})
			if err != nil {
				return cause{}, err
			}
			if event.Message != "" {
				text := fmt.Sprintf("pod %s is Pending: its claim %s has no volume: %s: %s", pod.Name, claim, event.Reason, oneLine(event.Message))
				return cause{unschedulable, text, "check the StorageClass and the EBS CSI driver"}, nil
			}
		}
	}
	text := fmt.Sprintf("pod %s is Pending: %s%s", pod.Name, nodesOnly(condition.Message), asks(pod))
	return cause{unschedulable, text, "give the pod's node group a larger instance type or more nodes in gmctl.yaml, then run gmctl up again"}, nil
}

// nodesOnly is what the scheduler says of the nodes, without the claims that it
// need not free and the pods that it cannot preempt.
func nodesOnly(message string) string {
	for _, rest := range []string{". no new claims", ". preemption:"} {
		message, _, _ = strings.Cut(message, rest)
	}
	return oneLine(message)
}

// asks says what a pod requests, which the scheduler's message leaves out.
func asks(pod *corev1.Pod) string {
	memory, cpu := int64(0), int64(0)
	for i := range pod.Spec.Containers {
		requests := pod.Spec.Containers[i].Resources.Requests
		memory += requests.Memory().Value()
		cpu += requests.Cpu().MilliValue()
	}
	if memory == 0 && cpu == 0 {
		return ""
	}
	return fmt.Sprintf(" (it asks for %d MiB and %dm CPU)", memory>>20, cpu)
}

func (c *Client) containerCause(ctx context.Context, pod *corev1.Pod, status corev1.ContainerStatus) (cause, error) {
	waiting := status.State.Waiting
	if waiting != nil {
		switch waiting.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable":
			found := cause{passing, fmt.Sprintf("image %s of pod %s cannot be pulled: %s: %s", status.Image, pod.Name, waiting.Reason, oneLine(waiting.Message)), ""}
			found.next = "check that the image is in the registry, and that the nodes may pull it"
			if noSuchImage(waiting) {
				found.kind = noImage
			}
			return found, nil
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			return cause{crashing, fmt.Sprintf("container %s of pod %s: %s: %s", status.Name, pod.Name, waiting.Reason, oneLine(waiting.Message)), ""}, nil
		}
	}
	ended := status.State.Terminated
	if ended == nil && (waiting != nil || !status.Ready) {
		ended = status.LastTerminationState.Terminated
	}
	if ended == nil || ended.ExitCode == 0 || waiting == nil && longAgo(ended.FinishedAt) {
		return cause{kind: passing}, nil
	}
	line, err := c.lastLine(ctx, pod, status)
	if err != nil {
		return cause{}, err
	}
	text := fmt.Sprintf("container %s of pod %s ended with exit code %d", status.Name, pod.Name, ended.ExitCode)
	if ended.Reason != "" && ended.Reason != "Error" {
		text += " (" + ended.Reason + ")"
	}
	if status.RestartCount > 0 {
		text += fmt.Sprintf(", restarted %s", count(int(status.RestartCount), "time"))
	}
	if line != "" {
		text += ": " + line
	}
	found := cause{crashing, text, nextOfCrash}
	if status.RestartCount >= crashesEnough {
		found.kind = dead
	}
	return found, nil
}

// longAgo reports whether a container that ended then, and runs since, is on its
// way again: that it is not ready yet has another cause.
func longAgo(ended metav1.Time) bool {
	return !ended.IsZero() && time.Since(ended.Time) > 2*time.Minute
}

// noSuchImage reports whether waiting would not help: the registry has answered
// that it has no such image.
func noSuchImage(waiting *corev1.ContainerStateWaiting) bool {
	if waiting.Reason == "InvalidImageName" || waiting.Reason == "ErrImageNeverPull" {
		return true
	}
	text := strings.ToLower(waiting.Message)
	for _, sign := range []string{"not found", "manifest unknown", "name unknown", "does not exist", "no match for platform"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// lastLine is the last line that a container has written before it ended. That
// there is no log is no failure.
func (c *Client) lastLine(ctx context.Context, pod *corev1.Pod, status corev1.ContainerStatus) (string, error) {
	previous := status.State.Terminated == nil
	lines, err := c.logs(ctx, pod.Namespace, pod.Name, status.Name, 1, previous)
	if err != nil || len(lines) == 0 {
		return "", ctx.Err()
	}
	return oneLine(lines[len(lines)-1]), nil
}

// lastWarning returns the newest warning about an object.
func (c *Client) lastWarning(ctx context.Context, ref Ref) (corev1.Event, error) {
	where, err := c.resource(ctx, Ref{Version: "v1", Kind: "Event", Namespace: ref.Namespace})
	if err != nil {
		return corev1.Event{}, err
	}
	list, err := listAll(ctx, where, metav1.ListOptions{
		FieldSelector: fmt.Sprintf("involvedObject.name=%s,involvedObject.kind=%s,type=Warning", ref.Name, ref.Kind),
	})
	if err != nil {
		return corev1.Event{}, err
	}
	events, err := typed[corev1.Event](list)
	if err != nil || len(events) == 0 {
		return corev1.Event{}, err
	}
	return slices.MaxFunc(events, func(a, b corev1.Event) int { return when(a).Compare(when(b)) }), nil
}

func when(event corev1.Event) time.Time {
	latest := event.EventTime.Time
	if event.LastTimestamp.After(latest) {
		latest = event.LastTimestamp.Time
	}
	return latest
}

// oneLine keeps what a screen has room for.
func oneLine(text string) string {
	const longest = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
