// Package embedded is the Kafka of the environment local: kfake in this
// process, with what it lacks to keep a transaction whole over a kill -9.
//
// kfake writes the markers that end a transaction partition by partition, and
// keeps no note that it began to. A process killed in between leaves a
// transaction that is committed in some partitions and open in others; at the
// next start kfake takes the open ones for aborted, in memory only, and when
// the same producer later commits something else in such a partition and the
// process is killed again, the aborted records count as committed.
//
// So Start notes each commit on disk before kfake begins it, and before kfake
// reads its logs it ends, on disk, whatever a kill left open: a transaction
// whose commit was noted is committed in its remaining partitions, any other is
// aborted.
//
// kfake also goes on after a write that failed, such as for lack of disk space,
// and a transaction whose end it could not write is then neither committed nor
// aborted. So the broker answers nothing more after one (Failed), and the next
// Start ends it as above.
//
// Compaction and retention are off: kfake deletes a log before it writes the
// compacted one, and it applies retention to everything that stands before an old
// record, which an import of history puts at the end.
package embedded
