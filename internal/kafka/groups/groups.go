// Package groups looks after consumer groups: who they are, how far they have
// read, and where they shall go on.
package groups

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/suggest"
)

// Group is a consumer group with how far it has read.
type Group struct {
	Name        string      `json:"group"`
	State       string      `json:"state"`    // as the broker says: Stable, Empty, PreparingRebalance, …
	Protocol    string      `json:"protocol"` // classic or consumer (KIP-848)
	Coordinator int32       `json:"coordinator"`
	Members     []Member    `json:"members"`
	Lag         int64       `json:"lag"` // of all partitions
	Partitions  []Partition `json:"partitions"`
}

// Active reports whether the group has members, which own its offsets.
func (g Group) Active() bool { return len(g.Members) > 0 }

// Member is one consumer of a group.
type Member struct {
	ID       string `json:"id"`
	Instance string `json:"instance,omitempty"`
	Client   string `json:"client"`
	Host     string `json:"host"`
}

// Partition is how far a group has read one partition.
type Partition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed int64  `json:"committed"` // -1: nothing yet
	Start     int64  `json:"start"`     // first offset that is still kept
	End       int64  `json:"end"`       // -1: not known, as the partition has no leader or is gone
	Lag       int64  `json:"lag"`       // -1: not known
	Member    string `json:"member,omitempty"`
	Client    string `json:"client,omitempty"`
	Host      string `json:"host,omitempty"`
}

// List returns every consumer group with its lag, by name.
func List(ctx context.Context, session *kafka.Session) ([]Group, error) {
	listed, err := list(ctx, session)
	if err != nil {
		return nil, err
	}
	return describe(ctx, session, listed)
}

// Find returns the groups named, in their order. The error for one that does
// not exist is a *problem.Error.
func Find(ctx context.Context, session *kafka.Session, names []string) ([]Group, error) {
	listed, err := list(ctx, session)
	if err != nil {
		return nil, err
	}
	chosen := make(map[string]string)
	for _, name := range names {
		protocol, ok := listed[name]
		if !ok {
			return nil, noSuchGroup(name, slices.Sorted(maps.Keys(listed)))
		}
		chosen[name] = protocol
	}
	found, err := describe(ctx, session, chosen)
	slices.SortStableFunc(found, func(a, b Group) int { return slices.Index(names, a.Name) - slices.Index(names, b.Name) })
	return found, err
}

func noSuchGroup(name string, all []string) error {
	next := "see which there are: gmctl kafka groups list"
	if similar := suggest.Nearest(name, all); similar != "" {
		next = "did you mean " + similar + "?"
	}
	return &problem.Error{What: "consumer group " + name + " does not exist", Next: next}
}

// The protocols a group may speak.
const (
	classic  = "classic"
	consumer = "consumer"
)

// list returns the protocol of every consumer group, by name. Every broker is
// asked: each knows the groups that it coordinates.
func list(ctx context.Context, session *kafka.Session) (map[string]string, error) {
	request := kmsg.NewPtrListGroupsRequest()
	all := make(map[string]string)
	for _, shard := range session.RequestSharded(ctx, request) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		response, ok := shard.Resp.(*kmsg.ListGroupsResponse)
		if !ok {
			continue
		}
		if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
			return nil, err
		}
		for _, g := range response.Groups {
			switch {
			case g.GroupType == consumer || g.GroupType == "Consumer":
				all[g.Group] = consumer
			case g.GroupType == "" || g.GroupType == classic || g.GroupType == "Classic":
				// other protocol types, such as Kafka Connect's, have no offsets
				if g.ProtocolType == "consumer" || g.ProtocolType == "" {
					all[g.Group] = classic
				}
			}
		}
	}
	return all, nil
}

// describe learns all about groups whose protocol is known.
func describe(ctx context.Context, session *kafka.Session, protocols map[string]string) ([]Group, error) {
	if len(protocols) == 0 {
		return []Group{}, nil
	}
	byName := make(map[string]*Group)
	owners := make(map[string]map[string]map[int32]Member)
	for name, protocol := range protocols {
		byName[name] = &Group{Name: name, Protocol: protocol, Coordinator: -1, Members: []Member{}, Partitions: []Partition{}}
		owners[name] = make(map[string]map[int32]Member)
	}
	if err := describeClassic(ctx, session, byName, owners); err != nil {
		return nil, err
	}
	if err := describeConsumer(ctx, session, byName, owners); err != nil {
		return nil, err
	}
	if err := addOffsets(ctx, session, byName, owners); err != nil {
		return nil, err
	}
	var all []Group
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, *byName[name])
	}
	return all, nil
}

func namesOf(byName map[string]*Group, protocol string) []string {
	var names []string
	for name, g := range byName {
		if g.Protocol == protocol {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// seat is a member of a group and the partitions it has.
type seat struct {
	Member
	partitions map[string][]int32
}

func newSeat(id string, instance *string, client, host string) seat {
	s := seat{Member{ID: id, Client: client, Host: host}, make(map[string][]int32)}
	if instance != nil {
		s.Instance = *instance
	}
	return s
}

func describeClassic(ctx context.Context, session *kafka.Session, byName map[string]*Group, owners map[string]map[string]map[int32]Member) error {
	names := namesOf(byName, classic)
	if len(names) == 0 {
		return nil
	}
	described, err := kadm.NewClient(session.Client).DescribeGroups(ctx, names...)
	if err != nil {
		return err
	}
	for name, d := range described {
		if d.Err != nil {
			return fmt.Errorf("group %s: %w", name, d.Err)
		}
		var seats []seat
		for _, m := range d.Members {
			seat := newSeat(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost)
			if assigned, ok := m.Assigned.AsConsumer(); ok {
				for _, topic := range assigned.Topics {
					seat.partitions[topic.Topic] = topic.Partitions
				}
			}
			seats = append(seats, seat)
		}
		byName[name].fill(d.State, d.Coordinator.NodeID, seats, owners[name])
	}
	return nil
}

func describeConsumer(ctx context.Context, session *kafka.Session, byName map[string]*Group, owners map[string]map[string]map[int32]Member) error {
	names := namesOf(byName, consumer)
	if len(names) == 0 {
		return nil
	}
	described, err := kadm.NewClient(session.Client).DescribeConsumerGroups(ctx, names...)
	if err != nil {
		return err
	}
	for name, d := range described {
		if d.Err != nil {
			return fmt.Errorf("group %s: %w", name, d.Err)
		}
		var seats []seat
		for _, m := range d.Members {
			seat := newSeat(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost)
			for topic, partitions := range m.Assignment {
				seat.partitions[topic] = slices.Collect(maps.Keys(partitions))
			}
			seats = append(seats, seat)
		}
		byName[name].fill(d.State, d.Coordinator.NodeID, seats, owners[name])
	}
	return nil
}

// fill notes what the coordinator told of the group, and in owners who has which
// partition.
func (g *Group) fill(state string, coordinator int32, seats []seat, owners map[string]map[int32]Member) {
	g.State, g.Coordinator = state, coordinator
	for _, seat := range seats {
		g.Members = append(g.Members, seat.Member)
		for topic, partitions := range seat.partitions {
			own(owners, topic, partitions, seat.Member)
		}
	}
}

func own(owners map[string]map[int32]Member, topic string, partitions []int32, member Member) {
	if owners[topic] == nil {
		owners[topic] = make(map[int32]Member)
	}
	for _, id := range partitions {
		owners[topic][id] = member
	}
}

// addOffsets adds what the groups have committed, and how far that is from the
// end.
func addOffsets(ctx context.Context, session *kafka.Session, byName map[string]*Group, owners map[string]map[string]map[int32]Member) error {
	committed := kadm.NewClient(session.Client).FetchManyOffsets(ctx, slices.Sorted(maps.Keys(byName))...)
	topics := make(map[string]bool)
	for name, g := range byName {
		response := committed[name]
		if response.Err != nil && !errors.Is(response.Err, kerr.GroupIDNotFound) {
			return fmt.Errorf("offsets of group %s: %w", name, response.Err)
		}
		for topic, partitions := range response.Fetched {
			for id, offset := range partitions {
				g.Partitions = append(g.Partitions, Partition{Topic: topic, Partition: id, Committed: offset.At})
				topics[topic] = true
			}
		}
		for topic, partitions := range owners[name] {
			for id := range partitions {
				if _, ok := response.Fetched.Lookup(topic, id); !ok {
					g.Partitions = append(g.Partitions, Partition{Topic: topic, Partition: id, Committed: -1})
					topics[topic] = true
				}
			}
		}
	}
	if len(topics) == 0 {
		return nil
	}
	bounds, err := fetchBounds(ctx, session, slices.Sorted(maps.Keys(topics)))
	if err != nil {
		return err
	}
	for name, g := range byName {
		g.finish(owners[name], bounds)
	}
	return nil
}

// bounds are the first and end offsets of the partitions that can be asked.
type bounds struct{ start, end map[string]map[int32]int64 }

func fetchBounds(ctx context.Context, session *kafka.Session, names []string) (bounds, error) {
	cluster, err := kafka.Describe(ctx, session.Client, names...)
	if err != nil {
		return bounds{}, err
	}
	led := kafka.LedPartitions(slices.Collect(maps.Values(cluster.Topics))...)
	start, err := kafka.ListOffsets(ctx, session.Client, led, kafka.Earliest, kafka.ReadUncommitted)
	if err != nil {
		return bounds{}, err
	}
	end, err := kafka.EndOffsets(ctx, session.Client, led, kafka.ReadUncommitted)
	return bounds{start, end}, err
}

// finish fills in ends, lags and owners, and orders the partitions.
func (g *Group) finish(owners map[string]map[int32]Member, b bounds) {
	for i := range g.Partitions {
		p := &g.Partitions[i]
		if owner, ok := owners[p.Topic][p.Partition]; ok {
			p.Member, p.Client, p.Host = owner.ID, owner.Client, owner.Host
		}
		end, known := b.end[p.Topic][p.Partition]
		if !known {
			p.End, p.Lag = -1, -1
			continue
		}
		p.Start, p.End = b.start[p.Topic][p.Partition], end
		p.Lag = max(0, end-max(p.Committed, p.Start))
		g.Lag += p.Lag
	}
	slices.SortFunc(g.Partitions, func(a, b Partition) int {
		if a.Topic != b.Topic {
			if a.Topic < b.Topic {
				return -1
			}
			return 1
		}
		return int(a.Partition - b.Partition)
	})
}
