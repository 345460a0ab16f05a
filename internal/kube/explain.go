package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// explain makes a problem of what went wrong, with a next step where the kind of
// failure tells one. What already is a problem, or the user's wish, stays as it is.
func explain(err error, what string) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*problem.Error](err); ok {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	p := &problem.Error{What: what, Cause: err}
	switch {
	case apierrors.IsUnauthorized(err):
		p.Cause = errors.New("the Kubernetes API does not accept the credentials (401)")
		p.Next = "check whose AWS credentials are used (aws sts get-caller-identity), and that an EKS access entry of the cluster names them"
	case apierrors.IsForbidden(err) && !strings.Contains(err.Error(), "quota") && !strings.Contains(err.Error(), "terminated"):
		p.Next = "give these AWS credentials an EKS access entry with the policy AmazonEKSClusterAdminPolicy"
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "quota"):
		p.Next = "raise the namespace's ResourceQuota, or ask for less"
	case apierrors.IsTooManyRequests(err), apierrors.IsInternalError(err), apierrors.IsServiceUnavailable(err), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		p.Next = "wait until the Kubernetes API is well again, then run it again: it goes on from there"
	case isStatus(err):
	case transient(err) != "":
		p.Next = "check the network and whether the cluster's endpoint can be reached from here (public access, VPN), then run it again"
	}
	return p
}

func isStatus(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status)
}

// explainObject is explain for one object. What the API server says of a secret
// may quote it.
func explainObject(err error, ref Ref, what string) error {
	if err == nil {
		return nil
	}
	var status apierrors.APIStatus
	if ref.isSecret() && errors.As(err, &status) {
		reason := status.Status().Reason
		if reason == metav1.StatusReasonInvalid || reason == metav1.StatusReasonBadRequest || reason == metav1.StatusReasonUnknown {
			err = fmt.Errorf("the API server refuses it: %s (%d)", reason, status.Status().Code)
		}
	}
	return explain(err, ref.String()+" "+what)
}

// some joins names, the first few of many.
func some(names []string) string {
	const shown = 3
	if len(names) <= shown+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

// firstOf names the first and counts the others.
func firstOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%s, and %d more", names[0], len(names)-1)
}

// count says how many there are: "1 KafkaTopic", "6 KafkaTopics".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	switch {
	case strings.HasSuffix(noun, "ss"), strings.HasSuffix(noun, "x"):
		return fmt.Sprintf("%d %ses", n, noun)
	case strings.HasSuffix(noun, "cy"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	case strings.HasSuffix(noun, "s"):
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
