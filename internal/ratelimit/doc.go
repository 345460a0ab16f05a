// Package ratelimit limits how often things happen: token buckets, one for each
// of very many names, in bounded memory.
package ratelimit
