// Package local is the platform embedded on one machine: the supervisor that
// keeps PostgreSQL, Kafka, ingestion and the relay running in one background
// process, and the client through which stages and commands talk to it.
//
// The supervisor holds supervisor.lock in the state directory for as long as it
// lives, so whether it runs is a question to the kernel and never a guess from
// a process id. It starts a component when it is asked to, restarts it with
// backoff when it ends, and takes every component down with it when it ends.
package local
