package schemas

import "time"

// Mode says what becomes of an event that breaks its schema.
type Mode string

// The modes, from the weakest.
const (
	Off    Mode = "off"    // schemas are not looked at
	Report Mode = "report" // it is stored and counted
	Strict Mode = "strict" // it is rejected
)

// Valid reports whether there is such a mode.
func (m Mode) Valid() bool { return m == Off || m == Report || m == Strict }

// And is the weaker of two modes: an event is rejected only where both its sender
// and its schema are strict.
func (m Mode) And(other Mode) Mode {
	switch {
	case m == Off || other == Off:
		return Off
	case m == Strict && other == Strict:
		return Strict
	}
	return Report
}

// Schema is one version of the schema of an event type.
type Schema struct {
	EventType string
	Version   int
	Mode      Mode // Report or Strict
	Text      []byte
	Active    bool
	CreatedAt time.Time
}
