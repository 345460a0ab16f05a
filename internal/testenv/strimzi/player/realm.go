//go:build linux

package player

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
)

// topicFinalizer is how Strimzi's topic operator keeps a KafkaTopic until it has
// deleted the topic. Without an operator such a topic is not deleted.
const topicFinalizer = "strimzi.io/topic-operator"

func (p *Player) admin() (*kadm.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	client, err := platform.NewClient(p.brokers.Config())
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(client), nil
}

// topics makes the real topics, and deletes those whose KafkaTopic is deleted.
func (p *Player) topics(ctx context.Context) error {
	all, err := p.list(ctx, "kafkatopics")
	if err != nil {
		return err
	}
	admin, err := p.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	existing, err := admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		topic := &all[i]
		name, ok, _ := unstructured.NestedString(topic.Object, "spec", "topicName")
		if !ok {
			name = topic.GetName()
		}
		if topic.GetDeletionTimestamp() != nil {
			if _, err := admin.DeleteTopics(ctx, name); err != nil {
				return err
			}
			if err := p.finalize(ctx, topic, false); err != nil {
				return err
			}
			continue
		}
		if err := p.finalize(ctx, topic, true); err != nil {
			return err
		}
		condition := ready()
		if err := p.topic(ctx, admin, topic, name, existing); err != nil {
			condition = refused("KafkaError", err.Error())
		}
		if err := p.tell(ctx, "kafkatopics", topic, condition, map[string]any{"topicName": name}); err != nil {
			return err
		}
	}
	return nil
}

// topic makes one real topic, or makes it again what its KafkaTopic says.
func (p *Player) topic(ctx context.Context, admin *kadm.Client, topic *unstructured.Unstructured, name string, existing kadm.TopicDetails) error {
	wanted, _, _ := unstructured.NestedInt64(topic.Object, "spec", "partitions")
	config, _, _ := unstructured.NestedMap(topic.Object, "spec", "config")
	settings := map[string]*string{}
	for key, value := range config {
		settings[key] = new(fmt.Sprint(value))
	}
	if !existing.Has(name) {
		replicas, _, _ := unstructured.NestedInt64(topic.Object, "spec", "replicas")
		p.mu.Lock()
		replicas = min(replicas, int64(p.brokers.Count()))
		p.mu.Unlock()
		answer, err := admin.CreateTopic(ctx, int32(max(wanted, 1)), int16(replicas), settings, name)
		if err = errors.Join(err, answer.Err); errors.Is(err, kerr.TopicAlreadyExists) {
			return nil
		}
		return err
	}
	switch there := int64(len(existing[name].Partitions)); {
	case wanted > there:
		answers, err := admin.UpdatePartitions(ctx, int(wanted), name)
		if err := errors.Join(err, answers.Error()); err != nil {
			return err
		}
	case wanted < there:
		return fmt.Errorf("decreasing partitions from %d to %d is not supported", there, wanted)
	}
	if observed, _, _ := unstructured.NestedInt64(topic.Object, "status", "observedGeneration"); observed == topic.GetGeneration() {
		return nil
	}
	var alter []kadm.AlterConfig
	for key, value := range settings {
		alter = append(alter, kadm.AlterConfig{Name: key, Value: value})
	}
	answers, err := admin.AlterTopicConfigsState(ctx, alter, name)
	for _, answer := range answers {
		err = errors.Join(err, answer.Err)
	}
	return err
}

// finalize puts the operator's finalizer on a topic or takes it away.
func (p *Player) finalize(ctx context.Context, topic *unstructured.Unstructured, keep bool) error {
	if slices.Contains(topic.GetFinalizers(), topicFinalizer) == keep {
		return nil
	}
	changed := topic.DeepCopy()
	finalizers := slices.DeleteFunc(changed.GetFinalizers(), func(f string) bool { return f == topicFinalizer })
	if keep {
		finalizers = append(finalizers, topicFinalizer)
	}
	changed.SetFinalizers(finalizers)
	updated, err := p.dynamic.Resource(kind("kafkatopics")).Namespace(Namespace).Update(ctx, changed, meta.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		updated.DeepCopyInto(topic)
	}
	return err
}

// release lets topics go whose Kafka is gone.
func (p *Player) release(ctx context.Context) error {
	all, err := p.list(ctx, "kafkatopics")
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].GetDeletionTimestamp() != nil {
			if err := p.finalize(ctx, &all[i], false); err != nil {
				return err
			}
		}
	}
	return nil
}

// users gives every KafkaUser its password and its permissions.
func (p *Player) users(ctx context.Context) error {
	all, err := p.list(ctx, "kafkausers")
	if err != nil {
		return err
	}
	admin, err := p.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	for i := range all {
		if err := p.user(ctx, admin, &all[i]); err != nil {
			if err := p.tell(ctx, "kafkausers", &all[i], notReady(err.Error()), nil); err != nil {
				return err
			}
		}
	}
	for name := range p.admits {
		if slices.ContainsFunc(all, func(user unstructured.Unstructured) bool { return user.GetName() == name }) {
			continue
		}
		if err := expel(ctx, admin, name); err != nil {
			return err
		}
		delete(p.admits, name)
	}
	return nil
}

// expel takes from a user whose KafkaUser is gone the login and the permissions.
func expel(ctx context.Context, admin *kadm.Client, name string) error {
	answers, err := admin.AlterUserSCRAMs(ctx, []kadm.DeleteSCRAM{{User: name, Mechanism: kadm.ScramSha512}}, nil)
	if err := errors.Join(err, answers.Error()); err != nil && !errors.Is(err, kerr.ResourceNotFound) {
		return err
	}
	return permit(ctx, admin, name, nil)
}

func (p *Player) user(ctx context.Context, admin *kadm.Client, user *unstructured.Unstructured) error {
	name := user.GetName()
	password, err := p.password(ctx, user)
	if err != nil {
		return err
	}
	as := fmt.Sprintf("%s %d %x", user.GetUID(), user.GetGeneration(), sha256.Sum256([]byte(password)))
	if p.admits[name] == as {
		return nil
	}
	answers, err := admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: name, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password}})
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		return err
	}
	wanted, err := aclsOf(user)
	if err != nil {
		return err
	}
	if err := permit(ctx, admin, name, wanted); err != nil {
		return err
	}
	jaas := fmt.Sprintf("org.apache.kafka.common.security.scram.ScramLoginModule required username=%q password=%q;", name, password)
	err = p.putSecret(ctx, &core.Secret{
		ObjectMeta: meta.ObjectMeta{
			Name: name, Namespace: Namespace, OwnerReferences: owner(user),
			Labels: map[string]string{"strimzi.io/kind": "KafkaUser", "app.kubernetes.io/managed-by": "strimzi-user-operator"},
		},
		Data: map[string][]byte{"password": []byte(password), "sasl.jaas.config": []byte(jaas)},
	})
	if err != nil {
		return err
	}
	if err := p.tell(ctx, "kafkausers", user, ready(), map[string]any{"username": name, "secret": name}); err != nil {
		return err
	}
	p.admits[name] = as
	return nil
}

// password is what the user's secret says, or one that is made and kept.
func (p *Player) password(ctx context.Context, user *unstructured.Unstructured) (string, error) {
	source, key := user.GetName(), "password"
	if reference, ok, _ := unstructured.NestedStringMap(user.Object, "spec", "authentication", "password", "valueFrom", "secretKeyRef"); ok {
		source, key = reference["name"], reference["key"]
	}
	secret, err := p.client.CoreV1().Secrets(Namespace).Get(ctx, source, meta.GetOptions{})
	if apierrors.IsNotFound(err) && source == user.GetName() {
		return rand.Text(), nil // it is in the secret the next time
	}
	if err != nil {
		return "", err
	}
	if len(secret.Data[key]) == 0 {
		return "", fmt.Errorf("the secret %s has no %s", source, key)
	}
	return string(secret.Data[key]), nil
}
