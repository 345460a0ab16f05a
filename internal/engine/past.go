package engine

// past is what the journal knows of each stage.
type past map[string]stagePast

type stagePast struct {
	known       bool
	verb        Verb   // of the last Apply or Destroy
	status      Status // how far that came; StatusStarted: it was killed
	fingerprint string // of the last completed Apply that nothing undid since
}

func pastOf(records []Record) past {
	p := make(past)
	for _, record := range records {
		p.add(record)
	}
	return p
}

func (p past) add(record Record) {
	if record.Stage == "" || record.Verb != VerbApply && record.Verb != VerbDestroy {
		return
	}
	last := p[record.Stage]
	last.known, last.verb, last.status = true, record.Verb, record.Status
	switch {
	case record.Verb == VerbDestroy:
		last.fingerprint = ""
	case record.Status == StatusDone:
		last.fingerprint = record.Fingerprint
	}
	p[record.Stage] = last
}

// halfDone says in what state the last run left the stage, or nothing where it
// left none half-done.
func (s stagePast) halfDone() string {
	if !s.known || s.status == StatusDone {
		return ""
	}
	how := map[Status]string{StatusStarted: "was killed", StatusFailed: "failed", StatusCancelled: "was interrupted"}[s.status]
	if how == "" {
		how = "did not complete"
	}
	return "the last " + string(s.verb) + " " + how
}

// resume says why a stage that sees no change has yet to be worked on, or
// nothing where it has not.
func (s stagePast) resume(goal Goal, plan Plan) string {
	switch half := s.halfDone(); {
	case half != "":
		return half
	case goal == GoalPresent && s.verb == VerbDestroy:
		return "it was destroyed"
	case goal == GoalPresent && plan.Fingerprint != s.fingerprint && plan.Fingerprint != "":
		if s.fingerprint == "" {
			return "it was not applied before"
		}
		return "what it is made from has changed"
	case goal == GoalAbsent && s.verb == VerbApply:
		return "it was applied"
	}
	return ""
}
