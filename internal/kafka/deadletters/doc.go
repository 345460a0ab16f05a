// Package deadletters reads the topic dlq.events and keeps what became of its
// letters.
//
// A letter is known by its place, PARTITION/OFFSET. What became of it stands in
// the compacted topic gmctl.dlq.state: there, and not in PostgreSQL, because whoever
// reads the letters reaches Kafka, and the database of an environment on AWS has no
// address outside its VPC. Whoever wants to replay or discard a letter writes so
// first, and reads the topic again: it has one partition, and the one who stands
// first in it has the letter. Each record has a key of its own, so that compaction
// keeps them all.
package deadletters
