//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// fromHere works with the database from outside the cluster, as every command for
// it does, and looks whether that leaves anything in the cluster.
func (r *run) fromHere(ctx context.Context) error {
	for name, text := range map[string]string{"level.schema.json": `{"properties":{"level":{"type":"integer"}}}`, "wrong.sql": "SELECT nothing;\n"} {
		if err := os.WriteFile(filepath.Join(r.player.folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if _, err := r.player.must(ctx, "schemas put rehearsal.level level.schema.json -e dev"); err != nil {
		return err
	}
	if _, err := r.player.must(ctx, "keys list -e dev"); err != nil {
		return err
	}
	player, events, err := r.onePlayer(ctx)
	if err != nil {
		return err
	}
	export, err := r.player.must(ctx, "players export "+player+" -e dev")
	if err != nil {
		return err
	}
	if lines := strings.Count(export.stdout, "\n"); lines != events {
		return fmt.Errorf("%d of the %d events of %s were exported", lines, events, player)
	}
	if result, err := r.player.must(ctx, "psql -e dev -- -At -c select\"event_type\"from\"event_schemas\""); err != nil || result.stdout != "rehearsal.level\n" {
		return errors.Join(err, fmt.Errorf("psql printed %q", result.stdout))
	}
	if _, err := r.player.fails(ctx, "psql -e dev -- -v ON_ERROR_STOP=1 -f wrong.sql", 3, `column "nothing" does not exist`); err != nil {
		return err
	}
	if err := r.noPassage(ctx); err != nil {
		return err
	}
	return r.interrupted(ctx)
}

// onePlayer is who has sent the fewest events.
func (r *run) onePlayer(ctx context.Context) (player string, events int, err error) {
	url, err := r.account.DatabaseURL()
	if err != nil {
		return "", 0, err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, "SELECT player_id, count(*) FROM events WHERE event_type <> $1 GROUP BY 1 ORDER BY 2, 1 LIMIT 1", smokeType).Scan(&player, &events)
	return player, events, err
}

// interrupted interrupts a command while its pod starts.
func (r *run) interrupted(ctx context.Context) error {
	cmd := r.player.command(ctx, "schemas list -e dev")
	if err := cmd.Start(); err != nil {
		return err
	}
	err := r.passages(ctx, func(found int) bool { return found > 0 })
	signalled := cmd.Process.Signal(os.Interrupt)
	ended := cmd.Wait()
	if err != nil || signalled != nil || ended == nil {
		return errors.Join(err, signalled, ended, errors.New("a command whose pod started was not interrupted"))
	}
	return r.noPassage(ctx)
}

func (r *run) noPassage(ctx context.Context) error {
	return r.passages(ctx, func(found int) bool { return found == 0 })
}

// passages waits until there are as many Jobs and pods that lead to the database as
// are wanted.
func (r *run) passages(ctx context.Context, wanted func(int) bool) error {
	const patience = 20 * time.Second
	client, err := kubernetes.NewForConfig(r.account.Kube.AdminConfig())
	if err != nil {
		return err
	}
	selector := meta.ListOptions{LabelSelector: "app.kubernetes.io/name=passage"}
	for until := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		jobs, err := client.BatchV1().Jobs(ownSpace).List(ctx, selector)
		if err != nil {
			return err
		}
		pods, err := client.CoreV1().Pods(ownSpace).List(ctx, selector)
		if err != nil {
			return err
		}
		switch found := len(jobs.Items) + len(pods.Items); {
		case wanted(found):
			return nil
		case time.Now().After(until):
			return fmt.Errorf("%d Jobs and pods lead to the database", found)
		}
	}
}
