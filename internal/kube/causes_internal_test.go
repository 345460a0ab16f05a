package kube

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The pods of a set are often made within a second, and then across the turn of
// one: which is named must not depend on it.
func TestTheOrderOfPods(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pod := func(name string, age time.Duration) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(at.Add(-age))}}
	}
	for _, test := range []struct {
		ref  Ref
		want []string
	}{
		{Ref{Group: "kafka.strimzi.io", Kind: "Kafka"}, []string{"a-0", "a-1", "a-2"}},
		{Ref{Group: "apps", Kind: "StatefulSet"}, []string{"a-0", "a-1", "a-2"}},
		{Ref{Group: "apps", Kind: "Deployment"}, []string{"a-1", "a-2", "a-0"}},
	} {
		pods := []corev1.Pod{pod("a-2", 0), pod("a-0", time.Second), pod("a-1", 0)}
		inOrder(test.ref, pods)
		var got []string
		for _, p := range pods {
			got = append(got, p.Name)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("pods of a %s: %v, want %v", test.ref.Kind, got, test.want)
		}
	}
}
