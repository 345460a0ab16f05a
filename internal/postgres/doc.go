// Package postgres is the system of record: the schema of the table events,
// the store that ingestion commits to, and the source that the relay reads.
//
// Open connects, Migrate makes the schema, Store writes events, Source reads
// them in commit order, and Figures counts them. The package server, below
// this one, runs a PostgreSQL of our own; nothing here needs it.
package postgres
