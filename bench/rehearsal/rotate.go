//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/twmb/franz-go/pkg/kerr"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gamemetrics/gmctl/internal/kafka"
)

// rotate gives every user a new password where AWS keeps it, and takes away gmctl's
// own API key, which the cluster alone has. Status must say that
// the cluster is behind; up must bring the new one to all who use it, and the old
// one must open nothing.
func (r *run) rotate(ctx context.Context) error {
	if err := r.noteSecrets(ctx); err != nil {
		return err
	}
	before, err := r.ownPodNames(ctx)
	if err != nil {
		return err
	}
	vault, err := openVault(ctx)
	if err != nil {
		return err
	}
	var old, fresh login // to Kafka
	err = vault.each(ctx, func(name string, fields map[string]any) error {
		if _, ok := fields["password"]; !ok { // Redis's token; no pod uses it yet
			return nil
		}
		password := rand.Text() + rand.Text()
		if strings.HasSuffix(name, "/kafka") {
			user := fmt.Sprint(fields["username"])
			old, fresh = login{user, fmt.Sprint(fields["password"])}, login{user, password}
		}
		fields["password"] = password
		return vault.put(ctx, name, fields)
	})
	if err != nil {
		return err
	}
	if err := r.dropPlatformKey(ctx); err != nil {
		return err
	}
	if result, err := r.player.try(ctx, "status -e dev"); err != nil || !strings.Contains(result.stdout, "new version") {
		return errors.Join(errors.New("status does not say that the secrets have new versions, but: "+result.stdout), err)
	}
	if _, err := r.player.must(ctx, "up -e dev --yes"); err != nil {
		return err
	}
	after, err := r.ownPodNames(ctx)
	if err != nil {
		return err
	}
	for name := range before {
		if after[name] {
			return fmt.Errorf("the pod %s still has the old passwords", name)
		}
	}
	if err := r.opensKafka(ctx, fresh); err != nil {
		return fmt.Errorf("the new password does not open Kafka: %w", err)
	}
	if err := r.opensKafka(ctx, old); !errors.Is(err, kerr.SaslAuthenticationFailed) {
		return errors.Join(errors.New("Kafka does not refuse the old password"), err)
	}
	if err := r.keysHold(ctx, 1); err != nil { // what up sent came with the new one
		return err
	}
	return r.upAgain(ctx)
}

// ownPodNames are those of our own image that run.
func (r *run) ownPodNames(ctx context.Context) (map[string]bool, error) {
	client, err := kubernetes.NewForConfig(r.account.Kube.AdminConfig())
	if err != nil {
		return nil, err
	}
	pods, err := client.CoreV1().Pods("").List(ctx, meta.ListOptions{LabelSelector: ownPods})
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, pod := range pods.Items {
		if pod.Status.Phase == core.PodRunning && pod.DeletionTimestamp == nil {
			names[pod.Name] = true
		}
	}
	if len(names) == 0 {
		return nil, errors.New("no pod of our own runs")
	}
	return names, nil
}

// login is a user's.
type login struct{ username, password string }

// opensKafka is nil if Kafka lets the login in.
func (r *run) opensKafka(ctx context.Context, as login) error {
	brokers, err := r.account.KafkaAs(as.username, as.password)
	if err != nil {
		return err
	}
	session, err := kafka.Open(brokers)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Client.Ping(ctx)
}

// vault is the account's Secrets Manager.
type vault struct{ client *secretsmanager.Client }

func openVault(ctx context.Context) (vault, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	return vault{secretsmanager.NewFromConfig(cfg)}, err
}

// each hands over the secrets, all of which are JSON objects.
func (v vault) each(ctx context.Context, visit func(name string, fields map[string]any) error) error {
	listed, err := v.client.ListSecrets(ctx, nil)
	if err != nil {
		return err
	}
	for _, secret := range listed.SecretList {
		answer, err := v.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: secret.ARN})
		if err != nil {
			return err
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(aws.ToString(answer.SecretString)), &fields); err != nil {
			return err
		}
		if err := visit(aws.ToString(secret.Name), fields); err != nil {
			return err
		}
	}
	return nil
}

// put makes a new version of a secret.
func (v vault) put(ctx context.Context, name string, fields map[string]any) error {
	text, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	_, err = v.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: aws.String(string(text))})
	return err
}
