// Package importer sends a history of player events from files to the
// ingestion service: NDJSON or CSV, plain, gzip or zstd.
//
// An import can be killed at any moment and run again. It goes on from its
// checkpoint, which names the last line whose fate is known, and nothing is
// stored twice: an event without an id gets one that is a function of the
// file's first line, its line number and its bytes, so that a line sent again
// is the same event. A line that is no event, or that the service refuses, is
// kept in a reject file with its number and the reason; every other line is
// stored.
//
// The lines go one way: a framer cuts the stream into records, workers decode
// and send them a chunk at a time, and a ledger settles the chunks in the
// file's order: rejects first, then the checkpoint.
package importer
