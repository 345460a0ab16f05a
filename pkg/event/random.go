package event

import "crypto/rand"

// fillRandom fills b with random bytes. crypto/rand.Read never fails: it ends
// the process where the system has no randomness.
func fillRandom(b []byte) { _, _ = rand.Read(b) }
