//go:build linux

package pods

import (
	"context"
	"slices"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// changed has the status written.
func (p *pod) changed() {
	select {
	case p.statusWanted <- struct{}{}:
	default:
	}
}

// writeStatuses writes the status each time that it has changed, and once more
// when the pod is over.
func (p *pod) writeStatuses(over <-chan struct{}) {
	for {
		select {
		case <-over:
			p.writeStatus()
			return
		case <-p.statusWanted:
			p.writeStatus()
		}
	}
}

func (p *pod) writeStatus() {
	api := p.runner.client.CoreV1().Pods(p.key.Namespace)
	for p.hard.Err() == nil {
		ctx, cancel := context.WithTimeout(p.hard, 10*time.Second)
		found, err := api.Get(ctx, p.key.Name, meta.GetOptions{})
		if err == nil && found.UID != p.uid {
			cancel()
			return
		}
		if err == nil {
			p.fill(found)
			_, err = api.UpdateStatus(ctx, found, meta.UpdateOptions{})
		}
		cancel()
		if err == nil || apierrors.IsNotFound(err) || p.hard.Err() != nil {
			return
		}
		if !apierrors.IsConflict(err) {
			p.runner.log("the status of pod %s cannot be written: %v", p.key, err)
			select {
			case <-p.hard.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// fill writes into pod what is known here of its state.
func (p *pod) fill(pod *core.Pod) {
	status := &pod.Status
	status.ObservedGeneration = pod.Generation
	status.HostIP, status.HostIPs = p.runner.hostIP, []core.HostIP{{IP: p.runner.hostIP}}
	status.StartTime = &p.began
	p.mu.Lock()
	sandboxy := p.sandboxy
	p.mu.Unlock()
	if sandboxy {
		status.PodIP, status.PodIPs = p.address, []core.PodIP{{IP: p.address}}
	}
	status.InitContainerStatuses = snapshots(p.inits)
	status.ContainerStatuses = snapshots(p.mains)
	status.Phase = phase(pod)

	initialized := !slices.ContainsFunc(status.InitContainerStatuses, func(s core.ContainerStatus) bool {
		return s.State.Terminated == nil || s.State.Terminated.ExitCode != 0
	})
	ready := initialized && !slices.ContainsFunc(status.ContainerStatuses, func(s core.ContainerStatus) bool { return !s.Ready })
	reason := ""
	if !ready {
		reason = "ContainersNotReady"
	}
	if status.Phase == core.PodSucceeded {
		reason = "PodCompleted"
	}
	condition(pod, core.PodReadyToStartContainers, sandboxy, "")
	condition(pod, core.PodInitialized, initialized, "")
	condition(pod, core.ContainersReady, ready, reason)
	condition(pod, core.PodReady, ready && pod.DeletionTimestamp == nil, reason)
}

func snapshots(containers []*container) []core.ContainerStatus {
	statuses := make([]core.ContainerStatus, len(containers))
	for i, c := range containers {
		statuses[i] = c.snapshot()
	}
	return statuses
}

// phase follows from the states of the containers, as a kubelet has it.
func phase(pod *core.Pod) core.PodPhase {
	policy := pod.Spec.RestartPolicy
	for _, s := range pod.Status.InitContainerStatuses {
		switch {
		case s.State.Terminated == nil:
			return core.PodPending
		case s.State.Terminated.ExitCode != 0 && (policy == core.RestartPolicyNever || pod.DeletionTimestamp != nil):
			return core.PodFailed
		case s.State.Terminated.ExitCode != 0:
			return core.PodPending
		}
	}
	begun, ended, bad := false, true, false
	for _, s := range pod.Status.ContainerStatuses {
		begun = begun || s.State.Running != nil || s.State.Terminated != nil || s.LastTerminationState.Terminated != nil
		if s.State.Terminated == nil {
			ended = false
		} else if s.State.Terminated.ExitCode != 0 {
			bad = true
		}
	}
	final := policy == core.RestartPolicyNever || policy == core.RestartPolicyOnFailure && !bad || pod.DeletionTimestamp != nil
	switch {
	case !begun:
		return core.PodPending
	case !ended || !final:
		return core.PodRunning
	case bad:
		return core.PodFailed
	}
	return core.PodSucceeded
}

// condition sets one of the pod's; its time is that of its last change.
func condition(pod *core.Pod, kind core.PodConditionType, holds bool, reason string) {
	wanted := core.PodCondition{
		Type: kind, Status: core.ConditionFalse, Reason: reason, LastTransitionTime: meta.Now(), ObservedGeneration: pod.Generation,
	}
	if holds {
		wanted.Status, wanted.Reason = core.ConditionTrue, ""
	}
	for i, existing := range pod.Status.Conditions {
		if existing.Type == kind {
			if existing.Status == wanted.Status {
				wanted.LastTransitionTime = existing.LastTransitionTime
			}
			pod.Status.Conditions[i] = wanted
			return
		}
	}
	pod.Status.Conditions = append(pod.Status.Conditions, wanted)
}
