package topics_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kafka"
	stage "github.com/gamemetrics/gmctl/internal/stage/topics"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// sink keeps what a stage reports.
type sink struct{ updates []engine.Update }

func (s *sink) Report(u engine.Update) { s.updates = append(s.updates, u) }

func TestLife(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	session, err := kafka.Open(kafka.Config{Brokers: cluster.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	s := stage.New(func(context.Context) (kafka.Config, error) { return session.Config, nil })

	if health := check(t, s); health.State != engine.StateDown || !strings.Contains(health.Problem.What, "is missing") {
		t.Errorf("without topics: %+v", health)
	}
	if got := planned(t, s); len(got) != len(topics.All()) || got[0] != "topic "+topics.All()[0].Name {
		t.Errorf("the plan creates %v", got)
	}
	var told sink
	if err := s.Apply(t.Context(), &told); err != nil {
		t.Fatal(err)
	}
	if len(told.updates) != 1 || told.updates[0].Done != int64(len(topics.All())) {
		t.Errorf("it reports %+v", told.updates)
	}
	if got := planned(t, s); len(got) > 0 {
		t.Errorf("applied, the plan still creates %v", got)
	}

	for range 3 {
		if err := session.ProduceSync(t.Context(), &kgo.Record{Topic: topics.Notifications, Value: []byte("{}")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	health := check(t, s)
	if health.State != engine.StateReady || len(health.Components) != len(topics.Public()) {
		t.Fatalf("with topics: %+v", health)
	}
	if c := component(t, health, topics.Notifications); c.Health.State != engine.StateReady || c.Health.Figures[0].Value != 3 {
		t.Errorf("a topic of 3 records: %+v", c.Health)
	}

	if _, err := kafka.DeleteTopics(t.Context(), session.Client, []string{topics.Notifications}); err != nil {
		t.Fatal(err)
	}
	if got := planned(t, s); !slices.Equal(got, []string{"topic " + topics.Notifications}) {
		t.Errorf("with one deleted the plan creates %v", got)
	}
	health = check(t, s)
	if health.State != engine.StateDown || !strings.Contains(health.Problem.What, topics.Notifications) {
		t.Errorf("with one deleted: %+v", health)
	}
	if c := component(t, health, topics.Notifications); c.Health.State != engine.StateDown {
		t.Errorf("the deleted one: %+v", c.Health)
	}
	if c := component(t, health, topics.EventsRaw); c.Health.State != engine.StateReady {
		t.Errorf("another one: %+v", c.Health)
	}
}

func TestWithoutKafka(t *testing.T) {
	unreachable := kafka.Config{Brokers: []string{"127.0.0.1:1"}}
	for _, c := range []struct {
		name    string
		brokers stage.Brokers
		state   engine.State
	}{
		{"it is not started", func(context.Context) (kafka.Config, error) { return kafka.Config{}, errors.New("not up") }, engine.StateAbsent},
		{"it does not answer", func(context.Context) (kafka.Config, error) { return unreachable, nil }, engine.StateDown},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stage.New(c.brokers)
			plan, err := s.Plan(t.Context(), engine.GoalPresent)
			if err != nil || plan.Deferred == "" {
				t.Errorf("the plan is %+v, %v", plan, err)
			}
			health := check(t, s)
			if health.State != c.state {
				t.Errorf("it is %+v", health)
			}
			if c.state == engine.StateDown && (health.Problem.Next == "" || !strings.Contains(health.Problem.What, "127.0.0.1:1")) {
				t.Errorf("the problem is %+v", health.Problem)
			}
		})
	}
}

func check(t *testing.T, s engine.Stage) engine.Health {
	t.Helper()
	health, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return health
}

func planned(t *testing.T, s engine.Stage) (objects []string) {
	t.Helper()
	plan, err := s.Plan(t.Context(), engine.GoalPresent)
	if err != nil || plan.Deferred != "" {
		t.Fatalf("%+v, %v", plan, err)
	}
	for _, change := range plan.Changes {
		objects = append(objects, change.Object)
	}
	return objects
}

func component(t *testing.T, health engine.Health, name string) engine.Component {
	t.Helper()
	for _, c := range health.Components {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no component %s in %+v", name, health)
	return engine.Component{}
}
