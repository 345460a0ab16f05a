package kafka

import (
	"context"
	"net"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Cluster is what the brokers say of themselves at one moment.
type Cluster struct {
	ID         string           `json:"id"`
	Controller int32            `json:"controller"` // node id; -1 when there is none
	Brokers    []Broker         `json:"brokers"`
	Topics     map[string]Topic `json:"topics,omitempty"`
}

// Broker is a node of the cluster under the address that it advertises.
type Broker struct {
	Node    int32  `json:"node"`
	Address string `json:"address"` // host:port
}

// Topic is a topic as it is, not as it was declared.
type Topic struct {
	Name       string      `json:"name"`
	Internal   bool        `json:"internal,omitempty"` // Kafka's own, such as __consumer_offsets
	Partitions []Partition `json:"partitions,omitempty"`
	Err        error       `json:"-"` // why the cluster tells nothing about it; kerr.UnknownTopicOrPartition: it does not exist
}

// Partition is one partition and where its copies are.
type Partition struct {
	ID       int32   `json:"partition"`
	Leader   int32   `json:"leader"` // node id; -1 when there is none
	Replicas []int32 `json:"replicas"`
	ISR      []int32 `json:"isr"` // the replicas that are in sync
	Offline  []int32 `json:"offline,omitempty"`
}

// Describe asks the cluster for its brokers and the topics named, or for all
// topics if none is. Unlike kadm's metadata, which a client keeps for a while
// (and its list of brokers for longer), the answer is always fresh: a health
// check must not be told of yesterday.
func Describe(ctx context.Context, client *kgo.Client, topics ...string) (Cluster, error) {
	request := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = new(name)
		request.Topics = append(request.Topics, topic)
	}
	return describe(ctx, client, request)
}

// Brokers asks the cluster for its brokers alone: the cheapest proof that it
// answers.
func Brokers(ctx context.Context, client *kgo.Client) (Cluster, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{} // nil would mean all
	return describe(ctx, client, request)
}

func describe(ctx context.Context, client *kgo.Client, request *kmsg.MetadataRequest) (Cluster, error) {
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return Cluster{}, err
	}
	cluster := Cluster{Controller: response.ControllerID, Topics: make(map[string]Topic)}
	if response.ClusterID != nil {
		cluster.ID = *response.ClusterID
	}
	for _, b := range response.Brokers {
		cluster.Brokers = append(cluster.Brokers, Broker{b.NodeID, net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))})
	}
	slices.SortFunc(cluster.Brokers, func(a, b Broker) int { return int(a.Node - b.Node) })
	for _, t := range response.Topics {
		if t.Topic == nil {
			continue
		}
		topic := Topic{Name: *t.Topic, Internal: t.IsInternal, Err: kerr.ErrorForCode(t.ErrorCode)}
		for _, p := range t.Partitions {
			topic.Partitions = append(topic.Partitions, Partition{p.Partition, p.Leader, p.Replicas, p.ISR, p.OfflineReplicas})
		}
		slices.SortFunc(topic.Partitions, func(a, b Partition) int { return int(a.ID - b.ID) })
		cluster.Topics[topic.Name] = topic
	}
	return cluster, nil
}

// Led reports whether every partition has a leader.
func (t Topic) Led() bool {
	return t.Err == nil && len(t.Partitions) > 0 &&
		!slices.ContainsFunc(t.Partitions, func(p Partition) bool { return p.Leader < 0 })
}

// OutOfSync returns the replicas that are not in sync.
func (p Partition) OutOfSync() []int32 {
	return slices.DeleteFunc(slices.Clone(p.Replicas), func(node int32) bool { return slices.Contains(p.ISR, node) })
}
