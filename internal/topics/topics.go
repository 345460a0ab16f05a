// Package topics declares the Kafka topics of the platform, once. The local
// environment, the Kubernetes manifests, the services and `gmctl kafka` all
// derive from this list.
package topics

import "time"

// The topics of the platform.
const (
	EventsRaw       = "player.events.raw"
	EventsProcessed = "player.events.processed"
	Notifications   = "notifications"
	DeadLetter      = "dlq.events"
	UserActions     = "user.actions"
	Recommendations = "recommendations.generated"
)

// Erasures is the compacted topic that says whose data was erased: by player the
// last erasure. Whoever keeps what they read elsewhere follows it.
const Erasures = "player.erasures"

// RelayCursor is the compacted topic in which the relay keeps, per database
// and lane, how far it has published. It is written in the same Kafka
// transaction as the events it speaks of.
const RelayCursor = "gmctl.relay.cursor"

// DeadLetterState is the compacted topic that says which dead letters were
// replayed or discarded, and which are being so. It has one partition: of two
// people who take the same letter, the one whose record comes first has it. No two
// records have the same key: compaction would forget who was first.
const DeadLetterState = "gmctl.dlq.state"

// TestHeader marks a record as made by a test (`gmctl kafka test`). Its value
// is the id of the test run. Every consumer of the platform skips records that
// carry it, so that a test never becomes data.
const TestHeader = "gmctl-test"

// TraceHeader is the header of a record with the W3C trace context of the request
// that brought the event.
const TraceHeader = "traceparent"

// Topic is what the platform declares about one topic.
type Topic struct {
	Name        string
	Description string
	Partitions  int32
	Retention   time.Duration // 0 keeps the broker's default
	Compacted   bool
	// Brief is set on a compacted topic that is read from its start: it is compacted when
	// it has a few MiB, and the markers of its transactions go soon.
	Brief    bool
	Internal bool // no data of games: no smoke test, hidden by default
}

// All returns every topic of the platform, the internal ones last.
func All() []Topic {
	const day = 24 * time.Hour
	return []Topic{
		{Name: EventsRaw, Description: "every accepted player event, in commit order per player", Partitions: 6, Retention: 7 * day},
		{Name: EventsProcessed, Description: "events enriched with session and metrics", Partitions: 6, Retention: 7 * day},
		{Name: Notifications, Description: "messages to be delivered to players", Partitions: 3, Retention: 3 * day},
		{Name: DeadLetter, Description: "events that could not be handled, with reason and original bytes", Partitions: 3, Retention: 30 * day},
		{Name: UserActions, Description: "actions of players outside a game session", Partitions: 6, Retention: 7 * day},
		{Name: Recommendations, Description: "recommendations made for players", Partitions: 3, Retention: 3 * day},
		{Name: Erasures, Description: "players whose data was erased, for all who keep a copy of it", Partitions: 3, Compacted: true, Internal: true},
		{Name: RelayCursor, Description: "how far the relay has published", Partitions: 1, Compacted: true, Brief: true, Internal: true},
		{Name: DeadLetterState, Description: "which dead letters were replayed or discarded", Partitions: 1, Compacted: true, Internal: true},
	}
}

// Public returns the six topics that carry the platform's data.
func Public() []Topic {
	var public []Topic
	for _, t := range All() {
		if !t.Internal {
			public = append(public, t)
		}
	}
	return public
}
