// Package tracing makes the OpenTelemetry spans of the services, from the request
// that brings an event to the Kafka transaction that publishes it, and exports them
// by OTLP over HTTP. It is configured by the OTEL_* variables of the standard;
// without an endpoint there is no Tracer, and a nil Tracer costs a comparison.
//
// Four rules hold everywhere:
//
//   - Exporting never holds up what is traced: spans wait in a bounded queue, and
//     what has no place there is not recorded, and counted.
//   - What is not sampled costs its request the decision and its events nothing.
//   - A span that several requests or events share is in the trace of the first of
//     them, and has links to all, up to maxLinks.
//   - Spans name no player, no address and no key: they go to another system, from
//     which nothing is erased with a player.
package tracing
