//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// load sends players' events through the cluster and finds each of them, once,
// in PostgreSQL and in Kafka.
func (r *run) load(ctx context.Context) error {
	result, err := r.player.must(ctx, "events simulate -e dev --rate 200 --duration 5s --seed 7")
	if err != nil {
		return err
	}
	stored := regexp.MustCompile(`(?m)^stored +([0-9,]+)$`).FindStringSubmatch(result.stdout)
	if stored == nil {
		return errors.New("the report does not say how many events were stored")
	}
	if r.proof.Events.Accepted, err = strconv.Atoi(regexp.MustCompile(`,`).ReplaceAllString(stored[1], "")); err != nil {
		return err
	}
	if r.proof.Events.InDatabase, err = r.inDatabase(ctx); err != nil {
		return err
	}
	if r.proof.Events.InKafka, err = r.inKafka(ctx, r.proof.Events.InDatabase); err != nil {
		return err
	}
	if err := r.keysHold(ctx, 1); err != nil {
		return err
	}
	if got := r.proof.Events; got.Accepted == 0 || got.InDatabase != got.Accepted || got.InKafka != got.Accepted {
		return fmt.Errorf("%d events were accepted, %d are in PostgreSQL and %d in Kafka", got.Accepted, got.InDatabase, got.InKafka)
	}
	return nil
}

// smokeType is of events that gmctl up itself sends.
const smokeType = "gmctl.smoke"

func (r *run) inDatabase(ctx context.Context) (int, error) {
	url, err := r.account.DatabaseURL()
	if err != nil {
		return 0, err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var count int
	err = conn.QueryRow(ctx, `SELECT count(*) FROM events WHERE event_type <> $1`, smokeType).Scan(&count)
	return count, err
}

// inKafka reads until as many are there as are expected, and for a moment more:
// none may come twice.
func (r *run) inKafka(ctx context.Context, expected int) (int, error) {
	brokers, err := r.account.Kafka()
	if err != nil {
		return 0, err
	}
	session, err := kafka.Open(brokers, kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeTopics(topics.EventsRaw), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return 0, err
	}
	defer session.Close()
	const patience, moment = 20 * time.Second, 2 * time.Second
	ids := map[string]int{}
	until := time.Now().Add(patience)
	for complete := false; ; {
		if !complete && len(ids) >= expected {
			complete, until = true, time.Now().Add(moment)
		}
		bounded, cancel := context.WithDeadline(ctx, until)
		fetches := session.PollFetches(bounded)
		cancel()
		if errors.Is(fetches.Err0(), context.DeadlineExceeded) {
			break
		}
		if err := fetches.Err(); err != nil {
			return 0, err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			if isTest(record) {
				return
			}
			var received event.Received
			if json.Unmarshal(record.Value, &received) == nil && received.EventType != smokeType {
				ids[received.EventID.String()]++
			}
		})
	}
	for id, times := range ids {
		if times > 1 {
			return len(ids), fmt.Errorf("event %s is in Kafka %d times", id, times)
		}
	}
	return len(ids), nil
}

// isTest reports whether a record was made by a test, which every consumer of the
// platform skips.
func isTest(record *kgo.Record) bool {
	return slices.ContainsFunc(record.Headers, func(h kgo.RecordHeader) bool { return h.Key == topics.TestHeader })
}
