package ingestion

import "github.com/gamemetrics/gmctl/pkg/event"

// Outcome is what a write did with one record: Stored, Duplicate, or that it is
// in Conflict with what is stored.
type Outcome uint8

// The outcomes of a successful write, beside those that Conflict makes.
const (
	Stored    Outcome = iota // the record is new
	Duplicate                // the same event was there already, and stays as it was
)

// The fields of a conflict, a bit each.
const (
	playerDiffers Outcome = 1 << (iota + 1)
	typeDiffers
	metadataDiffers
	fieldsThatDiffer = playerDiffers | typeDiffers | metadataDiffers
)

// Conflict is the Outcome of a record under whose id and timestamp another event
// is stored, which stays as it was. It is Duplicate where no field differs.
// Metadata differs where it is not equal as JSON.
func Conflict(player, eventType, metadata bool) Outcome {
	var o Outcome
	for _, field := range []struct {
		differs bool
		bit     Outcome
	}{{player, playerDiffers}, {eventType, typeDiffers}, {metadata, metadataDiffers}} {
		if field.differs {
			o |= field.bit
		}
	}
	if o == 0 {
		return Duplicate
	}
	return o
}

// conflicts reports whether another event is stored in the record's place.
func (o Outcome) conflicts() bool { return o&fieldsThatDiffer != 0 }

// fields says in which fields a conflict lies.
func (o Outcome) fields() []event.FieldError {
	var fields []event.FieldError
	for _, field := range []struct {
		name string
		bit  Outcome
	}{{"playerId", playerDiffers}, {"eventType", typeDiffers}, {"metadata", metadataDiffers}} {
		if o&field.bit != 0 {
			fields = append(fields, event.FieldError{Field: field.name, Code: event.CodeDiffers, Reason: "is not what is stored"})
		}
	}
	return fields
}
