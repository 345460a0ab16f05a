// Package spool is a queue of records on disk, of a bounded size, that outlives
// the process: what Append took, Next returns, in order, until Settle says that it
// is done with.
//
// A folder holds a run of segments, files of records whose names say where in the
// run they begin; positions count the bytes of all records ever appended, so they
// only grow. Beside them lie the position up to which all is settled, and a lock
// that keeps other processes out. A segment goes when all of it is settled.
//
// Each record has a checksum over its position and its bytes. Half a record at the
// end, as a kill or a full disk leaves it, is cut off when the folder is opened: it
// was never taken. A record damaged elsewhere, or a file that is gone, costs the rest of
// its segment, and Next says how much that is. What cannot be read for another reason is
// not lost: Next returns the error, and reads it when it is called again.
//
// When an fsync fails, nobody knows what of the file is on the disk, and the next one may
// succeed all the same. What was not synced before is then in doubt until it is settled:
// Append returns the error, and Doubt tells it. New records go into a new segment.
//
// Start with Open.
package spool
