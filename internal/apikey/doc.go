// Package apikey is the API key of a game: its text, which only the game has,
// and what the platform keeps of it.
//
// A key's text is gmk_, 43 letters and digits that stand for 256 random bits, and
// 6 that are their checksum: whoever scans code for secrets recognizes one, and a
// typing error is told without asking the database. What is kept is the SHA-256
// of the text. The slow hashes that passwords need (bcrypt, Argon2) make guessing
// expensive; nobody guesses 256 bits, and each request would pay for them.
package apikey
