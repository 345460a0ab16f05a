package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"log/slog"
	"math/big"
	"strings"
)

// Prefix begins the text of every key.
const Prefix = "gmk_"

const (
	randomDigits   = 43 // of base 62: what 256 bits need
	checksumDigits = 6  // of base 62: what the 32 bits of a CRC need
	textLength     = len(Prefix) + randomDigits + checksumDigits
	digits         = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" // as big.Int.Text has them
)

// Secret is the text of a key. Printed or logged it shows nothing; Reveal is the
// only way to it.
type Secret struct{ text string }

var _ slog.LogValuer = Secret{}

// New returns the text of a new key.
func New() Secret {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // never fails
	number := new(big.Int).SetBytes(bits[:]).Text(62)
	text := Prefix + strings.Repeat("0", randomDigits-len(number)) + number
	sum := checksum(text)
	return Secret{text + string(sum[:])}
}

// Read takes a text that somebody sent for the text of a key.
func Read(text string) Secret { return Secret{text} }

// WellFormed reports whether the text can be that of a key. It is not where
// somebody mistyped it or cut it off.
func (s Secret) WellFormed() bool {
	if len(s.text) != textLength || !strings.HasPrefix(s.text, Prefix) {
		return false
	}
	body, given := s.text[:textLength-checksumDigits], s.text[textLength-checksumDigits:]
	sum := checksum(body)
	return given == string(sum[:])
}

// Hash is what the platform keeps of the text.
func (s Secret) Hash() Hash { return sha256.Sum256([]byte(s.text)) }

// Reveal returns the text itself.
func (s Secret) Reveal() string { return s.text }

// String shows what kind of secret it is.
func (Secret) String() string { return Prefix + "…" }

// GoString is String: %#v shows no more.
func (s Secret) GoString() string { return s.String() }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

func checksum(text string) (sum [checksumDigits]byte) {
	crc := crc32.ChecksumIEEE([]byte(text))
	for i := len(sum) - 1; i >= 0; i-- {
		sum[i] = digits[crc%62]
		crc /= 62
	}
	return sum
}

// Hash is the SHA-256 of a key's text.
type Hash [sha256.Size]byte

// ID is how people and logs call the key: 12 digits of its hash. Nothing of the
// text can be told from them.
func (h Hash) ID() string { return hex.EncodeToString(h[:6]) }
