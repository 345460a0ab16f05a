// Package engine walks a graph of stages. A stage is one system of an
// environment, with four verbs: Plan, Apply, Check and Destroy; every core
// command of gmctl is one verb over the graph. The engine gives all stages what
// none has to build for itself: order, bounded parallelism, a journal to audit
// and to resume from, one writer at a time, and typed events for a renderer.
//
// It knows nothing of AWS, Kubernetes, Kafka or PostgreSQL.
package engine
