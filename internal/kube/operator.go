package kube

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// operatorOf names the Deployment of who sees to an object of Strimzi's: topics
// and users have an operator of their own, which comes with their Kafka.
func operatorOf(object *unstructured.Unstructured) (operator Ref, container string, found bool) {
	ref := RefOf(object)
	if ref.Group != "kafka.strimzi.io" {
		return Ref{}, "", false
	}
	operator = Ref{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: ref.Namespace, Name: "strimzi-cluster-operator"}
	switch ref.Kind {
	case "KafkaTopic":
		container = "topic-operator"
	case "KafkaUser":
		container = "user-operator"
	default:
		return operator, "", true
	}
	operator.Name = object.GetLabels()["strimzi.io/cluster"] + "-entity-operator"
	return operator, container, true
}

// operatorCause is that an object's operator is not there, or is itself not well.
func (c *Client) operatorCause(ctx context.Context, object *unstructured.Unstructured) (cause, error) {
	ref, container, found := operatorOf(object)
	if !found {
		return cause{}, nil
	}
	operator, err := c.fetch(ctx, ref)
	if err != nil {
		return cause{}, err
	}
	if operator == nil {
		if container != "" {
			return cause{}, nil // its Kafka is not ready, which is told of that
		}
		return cause{unattended, "its operator is not there: " + ref.String(), "bring the operators up again: gmctl up"}, nil
	}
	standing := standingOf(operator)
	if standing.state == isReady {
		return cause{}, nil
	}
	why, err := c.findCause(ctx, operator)
	if err != nil {
		return cause{}, err
	}
	if why.text == "" {
		why.text = strings.TrimSuffix(standing.message, ".")
	}
	if why.next == "" {
		why.next = nextStep(object)
	}
	return cause{why.kind, "its operator, " + ref.String() + ", is not ready: " + why.text, why.next}, nil
}

// nextStep is where to look when nothing is known of why an object is not ready.
func nextStep(object *unstructured.Unstructured) string {
	if operator, container, found := operatorOf(object); found {
		next := fmt.Sprintf("see what the operator says: kubectl logs -n %s deployment/%s", operator.Namespace, operator.Name)
		if container != "" {
			next += " -c " + container
		}
		return next
	}
	return "see what Kubernetes says of it: kubectl describe " + RefOf(object).forKubectl()
}

// forKubectl names the object as kubectl's arguments do.
func (r Ref) forKubectl() string {
	text := strings.ToLower(r.Kind) + " " + r.Name
	if r.Namespace != "" {
		text += " -n " + r.Namespace
	}
	return text
}
