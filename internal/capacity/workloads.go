package capacity

import (
	"fmt"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	resourcehelper "k8s.io/component-helpers/resource"
)

// workload is what has pods that are all alike.
type workload struct {
	name  string // "Deployment gamemetrics/ingestion"
	pods  []*pod
	every bool // a pod on each node that takes it: a DaemonSet, of which pods holds one
}

// system reports whether the workload is the cluster's own.
func (w workload) system() bool { return len(w.pods) > 0 && w.pods[0].spec.Namespace == "kube-system" }

// pod is one pod to place.
type pod struct {
	name                  string // "pod 1 of Deployment gamemetrics/ingestion", "kafka broker gamemetrics-kafka-0"
	workload              string
	spec                  *corev1.Pod
	milliCPU, memoryBytes int64 // requested
}

func newPod(name, workload, namespace string, template corev1.PodTemplateSpec) *pod {
	spec := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: template.Spec}
	spec.Namespace = namespace
	requests := resourcehelper.PodRequests(spec, resourcehelper.PodResourcesOptions{})
	return &pod{
		name: name, workload: workload, spec: spec,
		milliCPU: requests.Cpu().MilliValue(), memoryBytes: requests.Memory().Value(),
	}
}

// workloadsOf returns what of the objects has pods, in their order.
func workloadsOf(objects []*unstructured.Unstructured) ([]workload, error) {
	scaled, err := autoscaled(objects)
	if err != nil {
		return nil, err
	}
	var workloads []workload
	for _, object := range objects {
		found, err := workloadOf(object, scaled)
		if err != nil {
			return nil, fmt.Errorf("%s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
		}
		workloads = append(workloads, found...)
	}
	clusters, err := strimzi(objects)
	return append(workloads, clusters...), err
}

func workloadOf(object *unstructured.Unstructured, scaled map[string]int) ([]workload, error) {
	switch object.GroupVersionKind().GroupKind().String() {
	case "Deployment.apps":
		var deployment appsv1.Deployment
		if err := decode(object, &deployment); err != nil {
			return nil, err
		}
		count, ok := scaled[key(object)]
		if !ok {
			count = orOne(deployment.Spec.Replicas)
		}
		template := deployment.Spec.Template
		// What Kubernetes adds, for constraints that tell revisions apart by it.
		template.Labels = with(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey, deployment.Name)
		return []workload{alike(object, count, template)}, nil
	case "StatefulSet.apps":
		var set appsv1.StatefulSet
		if err := decode(object, &set); err != nil {
			return nil, err
		}
		return []workload{alike(object, orOne(set.Spec.Replicas), set.Spec.Template)}, nil
	case "Job.batch":
		var job batchv1.Job
		if err := decode(object, &job); err != nil {
			return nil, err
		}
		count := min(orOne(job.Spec.Parallelism), max(orOne(job.Spec.Completions), 1))
		return []workload{alike(object, count, job.Spec.Template)}, nil
	case "DaemonSet.apps":
		var set appsv1.DaemonSet
		if err := decode(object, &set); err != nil {
			return nil, err
		}
		every := alike(object, 1, set.Spec.Template)
		every.every = true
		return []workload{every}, nil
	}
	return nil, nil
}

// alike returns count pods of a template.
func alike(object *unstructured.Unstructured, count int, template corev1.PodTemplateSpec) workload {
	w := workload{name: key(object)}
	for i := range count {
		w.pods = append(w.pods, newPod(fmt.Sprintf("pod %d of %s", i+1, w.name), w.name, object.GetNamespace(), template))
	}
	return w
}

// autoscaled returns how many pods at least the autoscalers give to workloads.
func autoscaled(objects []*unstructured.Unstructured) (map[string]int, error) {
	least := make(map[string]int)
	for _, object := range objects {
		if object.GroupVersionKind().GroupKind().String() != "HorizontalPodAutoscaler.autoscaling" {
			continue
		}
		var scaler autoscalingv2.HorizontalPodAutoscaler
		if err := decode(object, &scaler); err != nil {
			return nil, err
		}
		target := scaler.Spec.ScaleTargetRef
		least[target.Kind+" "+scaler.Namespace+"/"+target.Name] = orOne(scaler.Spec.MinReplicas)
	}
	return least, nil
}

func key(object *unstructured.Unstructured) string {
	return object.GetKind() + " " + strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
}

func decode(object *unstructured.Unstructured, into any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into)
}

func orOne(count *int32) int {
	if count == nil {
		return 1
	}
	return int(*count)
}

func with(labels map[string]string, key, value string) map[string]string {
	added := map[string]string{key: value}
	maps.Copy(added, labels)
	return added
}
