package smoketest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// look learns what the topics are like before anything is sent.
func (t *test) look(ctx context.Context) (kafka.Cluster, error) {
	cluster, err := kafka.Describe(ctx, t.client, t.options.Topics...)
	if err != nil {
		return cluster, err
	}
	var there []string
	for _, name := range t.options.Topics {
		topic, ok := cluster.Topics[name]
		if !ok {
			topic = kafka.Topic{Name: name, Err: kerr.UnknownTopicOrPartition}
		}
		t.topics = append(t.topics, &topicTest{topic: topic})
		if topic.Err == nil {
			there = append(there, name)
		}
	}
	required := t.minInSync(ctx, there)
	for _, topic := range t.topics {
		topic.minInSync = required[topic.topic.Name]
		topic.inspect(t.cfg)
	}
	return cluster, nil
}

// minInSync returns how many replicas of each topic a durable write needs. A
// user who may not read settings learns of a shortage from the writes.
func (t *test) minInSync(ctx context.Context, names []string) map[string]int {
	const setting = "min.insync.replicas"
	required := make(map[string]int)
	if len(names) == 0 {
		return required
	}
	settings, err := kafka.TopicSettings(ctx, t.client, names, setting)
	if err != nil {
		return required
	}
	for name, values := range settings {
		if n, err := strconv.Atoi(values[setting].Value); err == nil {
			required[name] = n
		}
	}
	return required
}

// inspect finds what the layout of the topic says, and which partitions can be
// used.
func (t *topicTest) inspect(cfg kafka.Config) {
	name := t.topic.Name
	switch {
	case errors.Is(t.topic.Err, kerr.UnknownTopicOrPartition):
		t.findings = append(t.findings, Finding{What: "topic " + name + " does not exist", Next: createHint(name)})
		return
	case t.topic.Err != nil && len(t.topic.Partitions) == 0:
		explained := kafka.ExplainTopic(t.topic.Err, cfg, name)
		t.findings = append(t.findings, Finding{What: "topic " + name + " cannot be used", Why: explained.Error(), Next: explained.Next})
		return
	}
	var leaderless, short []kafka.Partition
	for _, p := range t.topic.Partitions {
		switch {
		case p.Leader < 0:
			leaderless = append(leaderless, p)
		case len(p.ISR) < min(t.minInSync, len(p.Replicas)): // Kafka asks for no more replicas than there are
			short = append(short, p)
		default:
			t.usable = append(t.usable, p.ID)
		}
	}
	if len(leaderless) > 0 {
		t.findings = append(t.findings, Finding{
			What: fmt.Sprintf("topic %s has no leader for %s", name, partitionList(leaderless)),
			Why:  "all their in-sync replicas are down: they belong on " + brokerList(leaderless, func(p kafka.Partition) []int32 { return p.Replicas }),
			Next: "start those brokers again; see gmctl kafka topics describe " + name,
		})
	}
	if len(short) > 0 {
		t.findings = append(t.findings, Finding{
			What: fmt.Sprintf("topic %s cannot take durable writes on %s", name, partitionList(short)),
			Why:  fmt.Sprintf("%d replicas must be in sync (min.insync.replicas) and %d is; missing are those on %s", t.minInSync, len(short[0].ISR), brokerList(short, kafka.Partition.OutOfSync)),
			Next: "bring those brokers back and let them catch up, or lower min.insync.replicas at the price of durability",
		})
	}
}

func createHint(name string) string {
	if slices.ContainsFunc(topics.All(), func(t topics.Topic) bool { return t.Name == name }) {
		return "create what the platform declares: gmctl kafka topics create"
	}
	return "create it: gmctl kafka topics create " + name
}

func partitionList(partitions []kafka.Partition) string {
	ids := make([]string, len(partitions))
	for i, p := range partitions {
		ids[i] = strconv.Itoa(int(p.ID))
	}
	if len(ids) == 1 {
		return "partition " + ids[0]
	}
	return "partitions " + strings.Join(ids, ", ")
}

func brokerList(partitions []kafka.Partition, of func(kafka.Partition) []int32) string {
	var nodes []int32
	for _, p := range partitions {
		nodes = append(nodes, of(p)...)
	}
	slices.Sort(nodes)
	var words []string
	for _, node := range slices.Compact(nodes) {
		words = append(words, strconv.Itoa(int(node)))
	}
	if len(words) == 1 {
		return "broker " + words[0]
	}
	return "brokers " + strings.Join(words, ", ")
}

// onlyUsable keeps the records whose partition can take them.
func onlyUsable(records []*kgo.Record, topic *topicTest) (usable []*kgo.Record, keys int) {
	hash := kgo.StickyKeyPartitioner(nil).ForTopic(topic.topic.Name)
	seen := make(map[string]bool)
	for _, r := range records {
		p := hash.Partition(r, len(topic.topic.Partitions))
		if slices.Contains(topic.usable, int32(p)) {
			seen[string(r.Key)] = true
			r.Headers[1].Value = []byte(strconv.Itoa(len(usable)))
			usable = append(usable, r)
		}
	}
	return usable, len(seen)
}

// stuckTimeout bounds the look at why records do not come back.
const stuckTimeout = 2 * time.Second

// reports sums every topic up.
func (t *test) reports(ctx context.Context) []TopicReport {
	stable := t.stableEnds(ctx)
	reports := make([]TopicReport, len(t.topics))
	for i, topic := range t.topics {
		reports[i] = topic.report(t.cfg, t.options.Timeout, stable[topic.topic.Name])
	}
	return reports
}

// stableEnds returns how far read_committed consumers can read in the
// partitions from which acknowledged records did not come back.
func (t *test) stableEnds(ctx context.Context) map[string]map[int32]int64 {
	stuck := make(map[string][]int32)
	for _, topic := range t.topics {
		if topic.track == nil {
			continue
		}
		unseen, _ := topic.track.missing()
		for id := range unseen {
			stuck[topic.topic.Name] = append(stuck[topic.topic.Name], id)
		}
	}
	if len(stuck) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stuckTimeout)
	defer cancel()
	client, err := kafka.NewClient(t.cfg)
	if err != nil {
		return nil
	}
	defer client.Close()
	ends, err := kafka.EndOffsets(ctx, client, stuck, kafka.ReadCommitted)
	if err != nil {
		return nil
	}
	return ends
}

func (t *topicTest) report(cfg kafka.Config, timeout time.Duration, stable map[int32]int64) TopicReport {
	r := TopicReport{
		Topic: t.topic.Name, Partitions: t.topic.Partitions, MinInSync: t.minInSync, Keys: t.keys,
		Problems: slices.Clip(t.findings), Warnings: []Finding{},
	}
	if t.track != nil {
		t.track.sum(&r)
		r.Problems = append(r.Problems, t.track.problems(cfg, t.topic.Name, timeout, stable)...)
	}
	if w := t.underReplicated(); w != nil {
		r.Warnings = append(r.Warnings, *w)
	}
	r.Passed = len(r.Problems) == 0
	if r.Problems == nil {
		r.Problems = []Finding{}
	}
	return r
}

// underReplicated warns of replicas that lag where writes still succeed.
func (t *topicTest) underReplicated() *Finding {
	var lagging []kafka.Partition
	for _, p := range t.topic.Partitions {
		if slices.Contains(t.usable, p.ID) && len(p.ISR) < len(p.Replicas) {
			lagging = append(lagging, p)
		}
	}
	if len(lagging) == 0 {
		return nil
	}
	return &Finding{
		What: fmt.Sprintf("topic %s is under-replicated on %s", t.topic.Name, partitionList(lagging)),
		Why:  "not in sync are the replicas on " + brokerList(lagging, kafka.Partition.OutOfSync),
		Next: "look at those brokers: writes still succeed, but one more failure may stop them",
	}
}
