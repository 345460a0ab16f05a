// Package relay publishes stored events to Kafka, each exactly once, in the
// order in which they were committed.
//
// It reads batches from a Source (PostgreSQL) and produces each of them in one
// Kafka transaction together with a cursor record, which says how far it got.
// Kafka thus holds the events and the position in the same breath: whatever
// happens in between, a relay that starts reads the last committed cursor and
// continues behind it. The transactional id is fixed for a database and lane,
// so starting a relay fences the one that ran before; its unfinished
// transaction is aborted.
//
// The rule that everything here keeps: after any error the position in memory
// is worth nothing. The session ends, and the next one asks Kafka.
//
// Start with Relay.Run; one turn of it is a session. A Group works several lanes that
// share the events, each of which is such a Relay.
package relay
