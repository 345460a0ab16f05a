package groups

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/when"
)

// Target is where a group's offsets shall be moved to.
type Target struct {
	kind   targetKind
	offset int64     // exact: the offset; shift: how many records, negative for back
	at     time.Time // timed: the first record at or after it
}

type targetKind int

const (
	toEarliest targetKind = iota
	toLatest
	timed
	exact
	shift
)

// ParseTarget reads "earliest", "latest", an offset, a shift ("+10" or "-10"),
// or a time as when.Past does ("15m").
func ParseTarget(text string, now time.Time) (Target, error) {
	switch text {
	case "earliest", "beginning", "start":
		return Target{kind: toEarliest}, nil
	case "latest", "end":
		return Target{kind: toLatest}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if text[0] == '+' || text[0] == '-' {
			return Target{kind: shift, offset: n}, nil
		}
		return Target{kind: exact, offset: n}, nil
	}
	if at, ok := when.Past(text, now); ok {
		return Target{kind: timed, at: at}, nil
	}
	return Target{}, &problem.Error{
		What: fmt.Sprintf("%q is no place to reset to", text), Kind: problem.Usage,
		Next: "give earliest, latest, an offset, a shift such as -100, " + when.Forms,
	}
}

// Move is what a reset does to one partition.
type Move struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"` // -1: nothing was committed
	To        int64  `json:"to"`
	// Again and Skipped are how many offsets the group will read again, or never.
	Again   int64 `json:"again"`
	Skipped int64 `json:"skipped"`
	// Clamped is whether the target lies outside of what the partition holds.
	Clamped bool `json:"clamped,omitempty"`
}

// PlanReset says where each partition would go. Without topics these are the
// partitions for which the group has committed offsets; a topic is a name, or
// name:0,1 for some of its partitions. A group that does not exist is made when
// topics are named.
func PlanReset(ctx context.Context, session *kafka.Session, name string, topics []string, target Target) ([]Move, error) {
	group, err := forReset(ctx, session, name, len(topics) > 0)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(ctx, session, group, topics)
	if err != nil {
		return nil, err
	}
	earliest, err := kafka.ListOffsets(ctx, session.Client, chosen, kafka.Earliest, kafka.ReadUncommitted)
	if err != nil {
		return nil, err
	}
	end, err := kafka.EndOffsets(ctx, session.Client, chosen, kafka.ReadUncommitted)
	if err != nil {
		return nil, err
	}
	var atTime map[string]map[int32]int64
	if target.kind == timed {
		if atTime, err = kafka.ListOffsets(ctx, session.Client, chosen, target.at.UnixMilli(), kafka.ReadUncommitted); err != nil {
			return nil, err
		}
	}
	moves := []Move{}
	for _, topic := range slices.Sorted(maps.Keys(chosen)) {
		slices.Sort(chosen[topic])
		for _, id := range chosen[topic] {
			moves = append(moves, target.move(topic, id, group.committed(topic, id), earliest[topic][id], end[topic][id], atTime[topic][id]))
		}
	}
	return moves, nil
}

// forReset returns the group, which must have no members: they would go on
// where they are, and commit that.
func forReset(ctx context.Context, session *kafka.Session, name string, mayBeNew bool) (Group, error) {
	listed, err := list(ctx, session)
	if err != nil {
		return Group{}, err
	}
	protocol, ok := listed[name]
	if !ok && mayBeNew {
		return Group{Name: name}, nil
	}
	if !ok {
		return Group{}, noSuchGroup(name, slices.Sorted(maps.Keys(listed)))
	}
	found, err := describe(ctx, session, map[string]string{name: protocol})
	if err != nil {
		return Group{}, err
	}
	if found[0].Active() {
		return Group{}, activeProblem(found[0])
	}
	return found[0], nil
}

func activeProblem(g Group) error {
	var who []string
	for _, m := range g.Members {
		who = append(who, m.Client+" on "+strings.TrimPrefix(m.Host, "/"))
	}
	slices.Sort(who)
	return &problem.Error{
		What:  "the offsets of consumer group " + g.Name + " cannot be reset while it is active",
		Cause: fmt.Errorf("it is %s, with members: %s", g.State, strings.Join(slices.Compact(who), ", ")),
		Next:  "stop its consumers first, then reset again",
		Kind:  problem.Unhealthy,
	}
}

// choose returns the partitions that a reset is about.
func choose(ctx context.Context, session *kafka.Session, group Group, topics []string) (map[string][]int32, error) {
	chosen := make(map[string][]int32)
	if len(topics) == 0 {
		for _, p := range group.Partitions {
			if p.End >= 0 {
				chosen[p.Topic] = append(chosen[p.Topic], p.Partition)
			}
		}
		if len(chosen) == 0 {
			return nil, &problem.Error{What: "consumer group " + group.Name + " has committed nothing", Next: "name the topic to reset: --topic TOPIC", Kind: problem.Usage}
		}
		return chosen, nil
	}
	for _, text := range topics {
		name, list, some := strings.Cut(text, ":")
		found, err := kafka.FindTopics(ctx, session.Client, []string{name})
		if err != nil {
			return nil, err
		}
		led := kafka.LedPartitions(found...)[name]
		if !some {
			chosen[name] = led
			continue
		}
		for word := range strings.SplitSeq(list, ",") {
			id, err := strconv.ParseInt(word, 10, 32)
			if err != nil || !slices.Contains(led, int32(id)) {
				return nil, &problem.Error{
					What: fmt.Sprintf("topic %s has no partition %q", name, word), Kind: problem.Usage,
					Next: fmt.Sprintf("choose from 0 to %d, as %s:0,1", len(found[0].Partitions)-1, name),
				}
			}
			chosen[name] = append(chosen[name], int32(id))
		}
	}
	return chosen, nil
}

// committed is -1 where the group has committed nothing.
func (g Group) committed(topic string, partition int32) int64 {
	for _, p := range g.Partitions {
		if p.Topic == topic && p.Partition == partition {
			return p.Committed
		}
	}
	return -1
}

// move decides one partition. atTime is the offset for a timed target, -1
// where no record is that young.
func (t Target) move(topic string, id int32, from, earliest, end, atTime int64) Move {
	to := earliest
	switch t.kind {
	case toLatest:
		to = end
	case timed:
		to = atTime
		if atTime < 0 {
			to = end
		}
	case exact:
		to = t.offset
	case shift:
		to = max(from, earliest) + t.offset
	}
	m := Move{Topic: topic, Partition: id, From: from, To: min(max(to, earliest), end)}
	m.Clamped = m.To != to
	position := from
	if from < 0 {
		position = m.To // a group without an offset has read nothing that it could read again
	}
	m.Again, m.Skipped = max(0, position-m.To), max(0, m.To-max(position, earliest))
	return m
}

// Reset commits the moves for the group. The group must have no members; the
// cluster refuses otherwise.
func Reset(ctx context.Context, session *kafka.Session, name string, moves []Move) error {
	var offsets kadm.Offsets
	for _, m := range moves {
		offsets.Add(kadm.Offset{Topic: m.Topic, Partition: m.Partition, At: m.To, LeaderEpoch: -1})
	}
	return kadm.NewClient(session.Client).CommitAllOffsets(ctx, name, offsets)
}
