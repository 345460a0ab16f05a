package deadletters

import "time"

// Status is what became of a letter.
type Status string

// The statuses of a letter.
const (
	Open      Status = "open"
	Replaying Status = "replaying" // someone sends it, or was killed while doing so
	Replayed  Status = "replayed"
	Discarded Status = "discarded"
)

// Done reports whether nothing is left to do about a letter.
func (s Status) Done() bool { return s == Replayed || s == Discarded }

// State is what became of a letter, when, and through whom. It is the value of a
// record in topics.DeadLetterState.
type State struct {
	Status Status    `json:"status"`
	By     string    `json:"by,omitempty"`
	At     time.Time `json:"at,omitzero"`
	Run    string    `json:"run,omitempty"` // tells what one command wrote from what others did
}

// claimLasts is how long a letter stays with who is replaying it. One that was
// killed leaves its letters to others then; an event is stored once all the same.
const claimLasts = 10 * time.Minute

// after is the state once next was written behind it.
func (s State) after(next State) State {
	if s.allows(next) {
		return next
	}
	return s
}

// allows reports whether next takes the state's place. Of two who take an open
// letter the first has it, and only who has it says what became of it.
func (s State) allows(next State) bool {
	switch {
	case s.Status.Done():
		return false
	case s.Status == Replaying && s.Run != next.Run:
		return next.At.Sub(s.At) >= claimLasts
	}
	return true
}
