package engine

import "bytes"

// past is what the journal knows of each stage.
type past map[string]stagePast

type stagePast struct {
	known       bool
	verb        Verb   // of the last Apply or Destroy
	status      Status // how far that came; StatusStarted: it was killed
	fingerprint string // of the last completed Apply that nothing undid since
}

// past returns what the journal knows of the given stages. It reads backward,
// and no further than it must: the start of a run does not grow with the
// journal's age.
func (j *Journal) past(stages []string) (past, error) {
	data, err := j.data()
	if err != nil {
		return nil, err
	}
	open := make(map[string]bool, len(stages))
	for _, name := range stages {
		open[name] = true
	}
	known := make(past, len(stages))
	for len(data) > 0 && len(open) > 0 {
		start := bytes.LastIndexByte(bytes.TrimSuffix(data, []byte{'\n'}), '\n') + 1
		record, ok := parseRecord(data[start:])
		data = data[:start]
		if !ok || !open[record.Stage] || record.Verb != VerbApply && record.Verb != VerbDestroy {
			continue
		}
		if known.addEarlier(record) {
			delete(open, record.Stage)
		}
	}
	return known, nil
}

// addEarlier takes in a record that is older than all that were, and reports
// whether still older ones can add nothing about its stage.
func (p past) addEarlier(record Record) bool {
	last, known := p[record.Stage]
	if !known {
		last = stagePast{known: true, verb: record.Verb, status: record.Status}
	}
	completed := record.Verb == VerbApply && record.Status == StatusDone
	if completed {
		last.fingerprint = record.Fingerprint
	}
	p[record.Stage] = last
	return completed || record.Verb == VerbDestroy
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
