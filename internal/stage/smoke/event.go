package smoke

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// throughPlatform sends one event and follows it to PostgreSQL and Kafka.
func throughPlatform(ctx context.Context, target Target) error {
	follower, err := follow(ctx, target.Kafka)
	if err != nil {
		return err
	}
	defer follower.Close()
	sent := event.Event{
		EventID: uuid.Must(uuid.NewV7()), PlayerID: "gmctl-smoke", EventType: "gmctl.smoke",
		Timestamp: time.Now().UTC().Truncate(time.Microsecond),
	}
	if _, err := post(ctx, target, eventapi.EventsPath, sent.EventID, sent); err != nil {
		return &problem.Error{What: "the smoke test's event was not accepted", Cause: err, Next: "gmctl logs ingestion"}
	}
	if err := stored(ctx, target, sent); err != nil {
		return &problem.Error{What: "the smoke test's event was acknowledged but is not in PostgreSQL", Cause: err, Next: "gmctl logs postgres"}
	}
	if err := published(ctx, follower.Client, sent.EventID); err != nil {
		return &problem.Error{What: "the smoke test's event did not come out of Kafka", Cause: err, Next: "gmctl logs relay"}
	}
	return nil
}

// A key that was made known just now may be turned away by a service that has read
// the keys a moment before.
const (
	keyKnownWithin = 5 * time.Second
	keyRetry       = 500 * time.Millisecond
)

// post sends what as JSON, marked as the test run, and returns the answer.
func post(ctx context.Context, target Target, path string, run uuid.UUID, what any) ([]byte, error) {
	body, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	for began := time.Now(); ; {
		status, answer, err := postOnce(ctx, target, path, run, body)
		switch {
		case err != nil:
			return nil, err
		case status/100 == 2:
			return answer, nil
		case status != http.StatusUnauthorized || time.Since(began) > keyKnownWithin:
			return nil, fmt.Errorf("%d %s: %s", status, http.StatusText(status), answer)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(keyRetry):
		}
	}
}

func postOnce(ctx context.Context, target Target, path string, run uuid.UUID, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.IngestionURL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", eventapi.JSON)
	request.Header.Set(eventapi.TestHeader, run.String())
	if key := target.Key.Reveal(); key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, 4096))
	return response.StatusCode, answer, err
}

// stored returns why the event cannot be found in PostgreSQL; nil if it is there.
func stored(ctx context.Context, target Target, sent event.Event) error {
	if target.DatabaseURL == "" {
		return known(ctx, target, sent)
	}
	conn, err := pgx.Connect(ctx, target.DatabaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var player string
	return conn.QueryRow(ctx, `SELECT player_id FROM events WHERE event_id = $1 AND "timestamp" = $2`, sent.EventID, sent.Timestamp).Scan(&player)
}

// known sends the event again and returns an error unless it was there before.
func known(ctx context.Context, target Target, sent event.Event) error {
	text, err := post(ctx, target, eventapi.BatchPath, sent.EventID, []event.Event{sent})
	if err != nil {
		return err
	}
	var answer eventapi.BatchAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("an answer that cannot be read: %w", err)
	}
	if answer.Duplicates != 1 {
		return fmt.Errorf("sent again it was not there before: %s", text)
	}
	return nil
}

// follow returns a consumer of what is published from now on.
func follow(ctx context.Context, cfg kafka.Config) (*kafka.Session, error) {
	session, err := kafka.Open(cfg, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	from, err := ends(ctx, session.Client)
	if err != nil {
		session.Close()
		return nil, session.Explain(err)
	}
	session.AddConsumePartitions(map[string]map[int32]kgo.Offset{topics.EventsRaw: from})
	return session, nil
}

// ends returns where each partition of the topic of events ends.
func ends(ctx context.Context, client *kgo.Client) (map[int32]kgo.Offset, error) {
	found, err := kafka.FindTopics(ctx, client, []string{topics.EventsRaw})
	if err != nil {
		return nil, err
	}
	offsets, err := kafka.EndOffsets(ctx, client, kafka.LedPartitions(found...), kafka.ReadUncommitted)
	if err != nil {
		return nil, err
	}
	from := make(map[int32]kgo.Offset)
	for partition, end := range offsets[topics.EventsRaw] {
		from[partition] = kgo.NewOffset().At(end)
	}
	return from, nil
}

func published(ctx context.Context, follower *kgo.Client, id uuid.UUID) error {
	for {
		fetches := follower.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return err
		}
		found := false
		fetches.EachRecord(func(r *kgo.Record) {
			var received event.Received
			found = found || json.Unmarshal(r.Value, &received) == nil && received.EventID == id
		})
		if found {
			return nil
		}
	}
}
