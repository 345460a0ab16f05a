// Package ingestion is the service that takes player events over HTTP. It
// answers with success only when an event is durable in its Store; from there
// the relay publishes it.
//
// A request goes through Server (HTTP), pkg/event (validation), Committer
// (group commit) and the Store, in this order.
package ingestion
