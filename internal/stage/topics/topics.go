// Package topics is the stage of the platform's Kafka topics.
package topics

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// Brokers tells how to reach Kafka; an error means that it cannot be reached
// now, such as before it is started.
type Brokers func(context.Context) (kafka.Config, error)

type stage struct {
	brokers Brokers
}

// New returns the stage that has every declared topic in the cluster.
func New(brokers Brokers) engine.Stage { return &stage{brokers} }

// with runs work with a session of the cluster, and explains its error.
func (s *stage) with(ctx context.Context, work func(*kgo.Client) error) error {
	cfg, err := s.brokers(ctx)
	if err != nil {
		return err
	}
	session, err := kafka.Open(cfg)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Explain(work(session.Client))
}

// Plan names the topics to create. To remove the stage changes nothing: topics
// go with the cluster that holds them, and a cluster that is not ours keeps
// them.
func (s *stage) Plan(ctx context.Context, goal engine.Goal) (engine.Plan, error) {
	if goal == engine.GoalAbsent {
		return engine.Plan{}, nil
	}
	var plan engine.Plan
	err := s.with(ctx, func(client *kgo.Client) error {
		missing, err := kafka.MissingTopics(ctx, client, topics.All())
		for _, t := range missing {
			plan.Changes = append(plan.Changes, engine.Change{
				Action: engine.ActionCreate, Object: "topic " + t.Name, Detail: fmt.Sprintf("%d partitions", t.Partitions),
			})
		}
		return err
	})
	if err != nil {
		return engine.Plan{Deferred: fmt.Sprintf("%d topics, looked at when Kafka answers", len(topics.All()))}, nil //nolint:nilerr // that it does not answer is for its own stage to say
	}
	return plan, nil
}

// Apply creates the topics that are missing.
func (s *stage) Apply(ctx context.Context, report engine.Reporter) error {
	return s.with(ctx, func(client *kgo.Client) error {
		created, err := kafka.EnsureTopics(ctx, client, topics.All(), kafka.BrokerDefaultReplication)
		if len(created) > 0 {
			report.Report(engine.Update{
				Kind: engine.UpdateProgress, Message: "created topics", Done: int64(len(created)), Total: int64(len(topics.All())), Unit: "topics",
			})
		}
		return err
	})
}

// Check looks whether every topic is there, and how far each has come.
func (s *stage) Check(ctx context.Context) (engine.Health, error) {
	if _, err := s.brokers(ctx); err != nil {
		return engine.Health{State: engine.StateAbsent, Summary: "Kafka is not running"}, nil //nolint:nilerr // its own stage says why
	}
	health := engine.Health{State: engine.StateReady, Summary: fmt.Sprintf("%d topics", len(topics.Public()))}
	err := s.with(ctx, func(client *kgo.Client) error {
		missing, err := kafka.MissingTopics(ctx, client, topics.All())
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			health.State, health.Problem = engine.StateDown, &problem.Error{
				What: fmt.Sprintf("topic %s is missing", missing[0].Name),
				Next: "create what the platform declares: gmctl up",
			}
		}
		health.Components, err = offsets(ctx, client)
		return err
	})
	if err != nil {
		return engine.Health{State: engine.StateDown, Problem: problem.From(err)}, nil
	}
	return health, nil
}

// offsets returns the public topics, each with the offsets it has assigned. One
// that is missing or has a partition without a leader is down.
func offsets(ctx context.Context, client *kgo.Client) ([]engine.Component, error) {
	var names []string
	for _, t := range topics.Public() {
		names = append(names, t.Name)
	}
	cluster, err := kafka.Describe(ctx, client, names...)
	if err != nil {
		return nil, err
	}
	ends, err := kafka.EndOffsets(ctx, client, kafka.LedPartitions(slices.Collect(maps.Values(cluster.Topics))...), kafka.ReadUncommitted)
	if err != nil {
		return nil, err
	}
	var components []engine.Component
	for _, name := range names {
		health := engine.Health{State: engine.StateReady}
		if !cluster.Topics[name].Led() {
			health.State = engine.StateDown
		}
		total := int64(0)
		for _, end := range ends[name] {
			total += end
		}
		health.Figures = []engine.Figure{{Name: "offsets", Value: float64(total)}}
		components = append(components, engine.Component{Name: name, Health: health})
	}
	return components, nil
}

// Destroy does nothing: topics go with the cluster that holds them.
func (s *stage) Destroy(context.Context, engine.Reporter) error { return nil }
