package kube

import (
	"context"
	"errors"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// StartJob makes a Job of one pod and returns the name of the pod once that is
// ready, as AwaitPod does. The Job is the caller's to delete, also after an error.
func (c *Client) StartJob(ctx context.Context, job *unstructured.Unstructured, report engine.Reporter) (pod string, err error) {
	ctx = reporting(ctx, report)
	if err := c.applyOne(ctx, job); err != nil {
		return "", err
	}
	if pod, err = c.podOfJob(ctx, RefOf(job), report); err != nil {
		return "", err
	}
	return pod, c.AwaitPod(ctx, job.GetNamespace(), pod, report)
}

// AwaitPod returns when a pod is ready. It tells what it waits for, and ends with
// what keeps the pod from that.
func (c *Client) AwaitPod(ctx context.Context, namespace, name string, report engine.Reporter) error {
	pod := &unstructured.Unstructured{}
	pod.SetGroupVersionKind(core("Pod"))
	pod.SetNamespace(namespace)
	pod.SetName(name)
	err := c.Wait(ctx, []*unstructured.Unstructured{pod}, report)
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Next == nextOfCrash {
		p.Next = "" // its log goes with its Job
	}
	return err
}

// podOfJob waits for the pod of a Job.
func (c *Client) podOfJob(ctx context.Context, ref Ref, report engine.Reporter) (string, error) {
	for told := ""; ; {
		job, err := c.fetch(ctx, ref)
		if err != nil {
			return "", explain(err, ref.String()+" could not be read")
		}
		if job == nil {
			return "", &problem.Error{What: ref.String() + " is gone"}
		}
		pods, err := c.podsOf(ctx, job)
		if err != nil {
			return "", explain(err, "the pods of "+ref.String()+" could not be read")
		}
		if len(pods) > 0 {
			return pods[0].Name, nil
		}
		why, err := c.ownCause(ctx, job)
		if err != nil {
			return "", explain(err, "why "+ref.String()+" has no pod could not be read")
		}
		if why.text != told {
			told = why.text
			report.Report(engine.Update{Kind: engine.UpdateWaiting, Message: ref.String() + ": " + told})
		}
		if err := sleep(ctx, c.pace.poll); err != nil {
			return "", err
		}
	}
}

// DeleteJob deletes a Job with its pods. Gone already is as good.
func (c *Client) DeleteJob(ctx context.Context, namespace, name string) error {
	return c.remove(ctx, Ref{Group: "batch", Version: "v1", Kind: "Job", Namespace: namespace, Name: name})
}

// Image is what the first container of a Deployment runs; empty: there is no such
// Deployment.
func (c *Client) Image(ctx context.Context, namespace, deployment string) (string, error) {
	ref := Ref{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: namespace, Name: deployment}
	object, err := c.fetch(ctx, ref)
	if err != nil || object == nil {
		return "", explain(err, ref.String()+" could not be read")
	}
	found, err := typed[appsv1.Deployment]([]unstructured.Unstructured{*object})
	if err != nil || len(found[0].Spec.Template.Spec.Containers) == 0 {
		return "", err
	}
	return found[0].Spec.Template.Spec.Containers[0].Image, nil
}
