//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// platformKey is the Secret with the API key that gmctl itself sends events with. It
// is made in the cluster, and no other place has it.
const (
	platformKey = "platform-key"
	ownSpace    = "gamemetrics"
)

func (r *run) platformKey(ctx context.Context) (string, error) {
	client, err := kubernetes.NewForConfig(r.account.Kube.AdminConfig())
	if err != nil {
		return "", err
	}
	secret, err := client.CoreV1().Secrets(ownSpace).Get(ctx, platformKey, meta.GetOptions{})
	if err != nil {
		return "", err
	}
	return string(secret.Data["key"]), nil
}

// dropPlatformKey has the next up make another one.
func (r *run) dropPlatformKey(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(r.account.Kube.AdminConfig())
	if err != nil {
		return err
	}
	return client.CoreV1().Secrets(ownSpace).Delete(ctx, platformKey, meta.DeleteOptions{})
}

// keysHold looks whether ingestion knows one valid key and has turned all events
// away that came without it.
func (r *run) keysHold(ctx context.Context, revoked int) error {
	url, err := r.account.DatabaseURL()
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var valid, ended, without int
	err = conn.QueryRow(ctx, `SELECT count(*) FILTER (WHERE revoked_at IS NULL), count(*) FILTER (WHERE revoked_at IS NOT NULL),
		(SELECT count(*) FROM events WHERE game IS DISTINCT FROM 'gmctl') FROM api_keys`).Scan(&valid, &ended, &without)
	if err == nil && (valid != 1 || ended != revoked || without != 0) {
		err = fmt.Errorf("%d API keys are valid and %d revoked, want 1 and %d; %d events came without one", valid, ended, revoked, without)
	}
	return err
}
