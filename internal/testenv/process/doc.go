// Package process runs the programs of the testbed: each in a process group of
// its own, its output in a file, and dead when the test that started it is, even
// if that was killed.
package process
