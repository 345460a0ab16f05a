//go:build unix

// Package pipeline puts the way of an event from the API to Kafka together of real
// processes, does to it what may happen to it under load, and audits after each
// fault that nothing was lost: every event that was answered with success is in
// PostgreSQL; what is in PostgreSQL is in Kafka exactly once for a read_committed
// consumer, in the order of its player; and whoever was refused was told why.
//
// The site (site.go) is two `gmctl serve ingestion`, two `gmctl serve relay`, a
// durable PostgreSQL on a small disk of its own, and three Apache Kafka brokers,
// with a link that can be disturbed before each of them. The load (load.go) writes
// down in the ledger (ledger.go) what it sent and what it was answered. A fault
// (faults.go and the files named after kinds of them) strikes and heals. The audit
// (audit.go) compares.
package pipeline
