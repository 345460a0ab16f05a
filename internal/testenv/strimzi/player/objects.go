//go:build linux

package player

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// labelsOf are those of what Strimzi makes for a Kafka.
func labelsOf(cluster, component string) map[string]string {
	return map[string]string{
		"strimzi.io/cluster": cluster, "strimzi.io/kind": "Kafka", "strimzi.io/name": cluster + "-" + component,
		"strimzi.io/component-type": component, "app.kubernetes.io/name": component, "app.kubernetes.io/instance": cluster,
		"app.kubernetes.io/part-of": cluster, "app.kubernetes.io/managed-by": operator,
	}
}

// into copies what stands at the path of an object, in the words of a Kubernetes
// type, into a value of that type.
func into(object map[string]any, target any, path ...string) error {
	found, ok, err := unstructured.NestedFieldNoCopy(object, path...)
	if err != nil || !ok {
		return err
	}
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, target)
}

// podOf is the pod of a node, as the pool's and the Kafka's templates want it.
func podOf(of *unstructured.Unstructured, n node) (*core.Pod, error) {
	cluster := of.GetName()
	labels := maps.Clone(n.pool.GetLabels()) // Strimzi's own win
	maps.Copy(labels, labelsOf(cluster, "kafka"))
	maps.Copy(labels, map[string]string{
		"strimzi.io/pool-name": n.pool.GetName(), "statefulset.kubernetes.io/pod-name": n.pod(cluster),
		"strimzi.io/broker-role": strconv.FormatBool(n.broker), "strimzi.io/controller-role": strconv.FormatBool(n.controller),
	})
	pod := &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: n.pod(cluster), Namespace: Namespace, Labels: labels, OwnerReferences: owner(of)},
		Spec: core.PodSpec{
			Hostname: n.pod(cluster), Subdomain: cluster + "-kafka-brokers",
			Containers: []core.Container{{
				Name: "kafka", Image: image,
				Ports: []core.ContainerPort{{Name: "tcp-tls", ContainerPort: port}},
			}},
		},
	}
	if err := into(n.pool.Object, &pod.Spec.Containers[0].Resources, "spec", "resources"); err != nil {
		return nil, err
	}
	template, ok, _ := unstructured.NestedMap(n.pool.Object, "spec", "template")
	if !ok { // a pool's template is in place of the Kafka's, and no part of that shines through
		template, _, _ = unstructured.NestedMap(of.Object, "spec", "kafka", "template")
	}
	for field, target := range map[string]any{
		"affinity": &pod.Spec.Affinity, "tolerations": &pod.Spec.Tolerations,
		"topologySpreadConstraints":     &pod.Spec.TopologySpreadConstraints,
		"terminationGracePeriodSeconds": &pod.Spec.TerminationGracePeriodSeconds,
	} {
		if err := into(template, target, "pod", field); err != nil {
			return nil, fmt.Errorf("the template of %s: %w", pod.Name, err)
		}
	}
	for _, claim := range claimsOf(of, n) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, core.Volume{
			Name: claim.Labels["volume"], VolumeSource: core.VolumeSource{PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}},
		})
		pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts, core.VolumeMount{
			Name: claim.Labels["volume"], MountPath: "/var/lib/kafka/" + claim.Labels["volume"],
		})
	}
	text, err := json.Marshal(pod.Spec)
	if err != nil {
		return nil, err
	}
	pod.Annotations = map[string]string{revision: fmt.Sprintf("%.8x", sha256.Sum256(text))}
	return pod, nil
}

// claimsOf are the claims of a node's volumes. They have no owner unless the pool
// says that they go with the cluster.
func claimsOf(of *unstructured.Unstructured, n node) []*core.PersistentVolumeClaim {
	volumes, _, _ := unstructured.NestedSlice(n.pool.Object, "spec", "storage", "volumes")
	var claims []*core.PersistentVolumeClaim
	for _, entry := range volumes {
		volume, ok := entry.(map[string]any)
		if !ok || volume["type"] != "persistent-claim" {
			continue
		}
		name := fmt.Sprintf("data-%v", volume["id"])
		labels := labelsOf(of.GetName(), "kafka")
		labels["volume"], labels["strimzi.io/pool-name"] = name, n.pool.GetName()
		claim := &core.PersistentVolumeClaim{
			ObjectMeta: meta.ObjectMeta{Name: name + "-" + n.pod(of.GetName()), Namespace: Namespace, Labels: labels},
			Spec: core.PersistentVolumeClaimSpec{
				AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
				Resources:   core.VolumeResourceRequirements{Requests: core.ResourceList{core.ResourceStorage: resource.MustParse(fmt.Sprint(volume["size"]))}},
			},
		}
		if class, ok := volume["class"].(string); ok {
			claim.Spec.StorageClassName = &class
		}
		if volume["deleteClaim"] == true {
			claim.OwnerReferences = owner(of)
		}
		claims = append(claims, claim)
	}
	return claims
}

// makeFixtures makes what a Kafka has beside its pods.
func (p *Player) makeFixtures(ctx context.Context, of *unstructured.Unstructured, nodes int, authority []byte) error {
	name := of.GetName()
	listener := []core.ServicePort{{Name: "tcp-tls", Port: port, TargetPort: intstr.FromInt32(port)}}
	described := func(name string) meta.ObjectMeta {
		return meta.ObjectMeta{Name: name, Namespace: Namespace, Labels: labelsOf(of.GetName(), "kafka"), OwnerReferences: owner(of)}
	}
	for _, service := range []*core.Service{
		{ObjectMeta: described(name + "-kafka-bootstrap"), Spec: core.ServiceSpec{
			Ports: listener, Selector: map[string]string{"strimzi.io/cluster": name, "strimzi.io/broker-role": "true"},
		}},
		{ObjectMeta: described(name + "-kafka-brokers"), Spec: core.ServiceSpec{
			ClusterIP: core.ClusterIPNone, PublishNotReadyAddresses: true,
			Ports: listener, Selector: map[string]string{"strimzi.io/cluster": name, "strimzi.io/name": name + "-kafka"},
		}},
	} {
		_, err := p.client.CoreV1().Services(Namespace).Create(ctx, service, meta.CreateOptions{})
		if err := ignoreExisting(err); err != nil {
			return err
		}
	}
	// Kubernetes does not know what a StrimziPodSet wants, so Strimzi turns the
	// template's maxUnavailable into what must stay.
	unavailable, found, _ := unstructured.NestedInt64(of.Object, "spec", "kafka", "template", "podDisruptionBudget", "maxUnavailable")
	if !found {
		unavailable = 1
	}
	least := intstr.FromInt32(int32(max(int64(nodes)-unavailable, 0)))
	_, err := p.client.PolicyV1().PodDisruptionBudgets(Namespace).Create(ctx, &policy.PodDisruptionBudget{
		ObjectMeta: described(name + "-kafka"),
		Spec:       policy.PodDisruptionBudgetSpec{MinAvailable: &least, Selector: &meta.LabelSelector{MatchLabels: map[string]string{"strimzi.io/cluster": name, "strimzi.io/name": name + "-kafka"}}},
	}, meta.CreateOptions{})
	if err := ignoreExisting(err); err != nil {
		return err
	}
	return p.putSecret(ctx, &core.Secret{ObjectMeta: described(name + "-cluster-ca-cert"), Data: map[string][]byte{"ca.crt": authority}})
}

// entityOperator is the Deployment of the topic and the user operator.
func entityOperator(of *unstructured.Unstructured) *apps.Deployment {
	name := of.GetName() + "-entity-operator"
	labels := labelsOf(of.GetName(), "entity-operator")
	deployment := &apps.Deployment{
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: Namespace, Labels: labels, OwnerReferences: owner(of)},
		Spec: apps.DeploymentSpec{
			Selector: &meta.LabelSelector{MatchLabels: map[string]string{"strimzi.io/name": labels["strimzi.io/name"]}},
			Template: core.PodTemplateSpec{ObjectMeta: meta.ObjectMeta{Labels: labels}},
		},
	}
	for _, container := range []string{"topic-operator", "user-operator"} {
		one := core.Container{Name: container, Image: "quay.io/strimzi/operator:1.2.0"}
		field := map[string]string{"topic-operator": "topicOperator", "user-operator": "userOperator"}[container]
		_ = into(of.Object, &one.Resources, "spec", "entityOperator", field, "resources") // held against the definition by the API server
		deployment.Spec.Template.Spec.Containers = append(deployment.Spec.Template.Spec.Containers, one)
	}
	_ = into(of.Object, &deployment.Spec.Template.Spec.Affinity, "spec", "entityOperator", "template", "pod", "affinity")
	return deployment
}
