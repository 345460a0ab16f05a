package capacity

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The part of Strimzi's resources that says what pods they have.
type (
	kafkaCluster struct {
		metav1.ObjectMeta `json:"metadata"`

		Spec struct {
			Kafka struct {
				Template podTemplate `json:"template"`
			} `json:"kafka"`
			EntityOperator *struct {
				TopicOperator *container  `json:"topicOperator"`
				UserOperator  *container  `json:"userOperator"`
				Template      podTemplate `json:"template"`
			} `json:"entityOperator"`
			CruiseControl *single `json:"cruiseControl"`
			KafkaExporter *single `json:"kafkaExporter"`
		} `json:"spec"`
	}

	nodePool struct {
		metav1.ObjectMeta `json:"metadata"`

		Spec struct {
			Replicas  int                         `json:"replicas"`
			Roles     []string                    `json:"roles"`
			Resources corev1.ResourceRequirements `json:"resources"`
			Template  *podTemplate                `json:"template"`
		} `json:"spec"`
	}

	container struct {
		Resources corev1.ResourceRequirements `json:"resources"`
	}

	single struct {
		container `json:",inline"`

		Template podTemplate `json:"template"`
	}

	podTemplate struct {
		Pod struct {
			Affinity    *corev1.Affinity                  `json:"affinity"`
			Tolerations []corev1.Toleration               `json:"tolerations"`
			Spread      []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints"`
		} `json:"pod"`
	}
)

const strimziGroup = "kafka.strimzi.io"

// strimzi returns the pods that Strimzi's operator will make.
func strimzi(objects []*unstructured.Unstructured) ([]workload, error) {
	var (
		clusters = map[string]kafkaCluster{} // by namespace and name
		pools    []nodePool
		all      []workload
	)
	for _, object := range objects {
		if object.GroupVersionKind().Group != strimziGroup {
			continue
		}
		switch object.GetKind() {
		case "Kafka":
			var cluster kafkaCluster
			if err := decode(object, &cluster); err != nil {
				return nil, fmt.Errorf("%s: %w", key(object), err)
			}
			clusters[object.GetNamespace()+"/"+object.GetName()] = cluster
			all = append(all, cluster.operators()...)
		case "KafkaNodePool":
			var pool nodePool
			if err := decode(object, &pool); err != nil {
				return nil, fmt.Errorf("%s: %w", key(object), err)
			}
			pools = append(pools, pool)
		}
	}
	slices.SortFunc(pools, func(a, b nodePool) int { return cmp.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
	next := map[string]int{} // the id of a cluster's next node: no two pools share one
	for _, pool := range pools {
		cluster := pool.Namespace + "/" + pool.Labels["strimzi.io/cluster"]
		all = append(all, pool.nodes(clusters[cluster], next[cluster]))
		next[cluster] += pool.Spec.Replicas
	}
	return all, nil
}

// nodes are the Kafka nodes of a pool. Its own template stands instead of the
// cluster's, not beside it.
func (p nodePool) nodes(cluster kafkaCluster, firstID int) workload {
	name := p.Labels["strimzi.io/cluster"]
	template := p.Spec.Template
	if template == nil {
		template = &cluster.Spec.Kafka.Template
	}
	role := "controller"
	if slices.Contains(p.Spec.Roles, "broker") {
		role = "broker"
	}
	w := workload{name: "KafkaNodePool " + p.Namespace + "/" + p.Name}
	for i := range p.Spec.Replicas {
		pod := fmt.Sprintf("%s-%s-%d", name, p.Name, firstID+i)
		w.pods = append(w.pods, newPod("kafka "+role+" "+pod, w.name, p.Namespace, template.of(map[string]string{
			"strimzi.io/cluster":   name,
			"strimzi.io/kind":      "Kafka",
			"strimzi.io/name":      name + "-kafka",
			"strimzi.io/pool-name": p.Name,
		}, container{p.Spec.Resources})))
	}
	return w
}

// operators are the pods beside the Kafka nodes.
func (c kafkaCluster) operators() []workload {
	var all []workload
	add := func(suffix string, template podTemplate, containers ...container) {
		w := workload{name: "Deployment " + c.Namespace + "/" + c.Name + "-" + suffix}
		labels := map[string]string{"strimzi.io/cluster": c.Name, "strimzi.io/kind": "Kafka", "strimzi.io/name": c.Name + "-" + suffix}
		w.pods = []*pod{newPod("pod 1 of "+w.name, w.name, c.Namespace, template.of(labels, containers...))}
		all = append(all, w)
	}
	if e := c.Spec.EntityOperator; e != nil {
		var containers []container
		for _, operator := range []*container{e.TopicOperator, e.UserOperator} {
			if operator != nil {
				containers = append(containers, *operator)
			}
		}
		add("entity-operator", e.Template, containers...)
	}
	if c.Spec.CruiseControl != nil {
		add("cruise-control", c.Spec.CruiseControl.Template, c.Spec.CruiseControl.container)
	}
	if c.Spec.KafkaExporter != nil {
		add("kafka-exporter", c.Spec.KafkaExporter.Template, c.Spec.KafkaExporter.container)
	}
	return all
}

func (t podTemplate) of(labels map[string]string, containers ...container) corev1.PodTemplateSpec {
	made := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
	made.Spec.Affinity, made.Spec.Tolerations, made.Spec.TopologySpreadConstraints = t.Pod.Affinity, t.Pod.Tolerations, t.Pod.Spread
	for _, c := range containers {
		made.Spec.Containers = append(made.Spec.Containers, corev1.Container{Resources: c.Resources})
	}
	return made
}
