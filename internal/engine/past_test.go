package engine

import "testing"

func TestWhyAStageThatSeesNoChangeIsWorkedOn(t *testing.T) {
	for _, c := range []struct {
		last        stagePast
		goal        Goal
		fingerprint string // of the plan
		want        string
	}{
		{stagePast{}, GoalPresent, "", ""},
		{stagePast{}, GoalAbsent, "", ""},
		{stagePast{}, GoalPresent, "f1", "it was not applied before"},
		{stagePast{true, VerbApply, StatusDone, "f1"}, GoalPresent, "f1", ""},
		{stagePast{true, VerbApply, StatusDone, "f1"}, GoalPresent, "", ""},
		{stagePast{true, VerbApply, StatusDone, "f1"}, GoalPresent, "f2", "what it is made from has changed"},
		{stagePast{true, VerbApply, StatusDone, ""}, GoalPresent, "f2", "it was not applied before"},
		{stagePast{true, VerbApply, StatusStarted, "f1"}, GoalPresent, "f1", "the last apply was killed"},
		{stagePast{true, VerbApply, StatusFailed, "f1"}, GoalPresent, "f1", "the last apply failed"},
		{stagePast{true, VerbApply, StatusCancelled, "f1"}, GoalPresent, "f1", "the last apply was interrupted"},
		{stagePast{true, VerbApply, "of a later gmctl", "f1"}, GoalPresent, "f1", "the last apply did not complete"},
		{stagePast{true, VerbDestroy, StatusDone, ""}, GoalPresent, "", "it was destroyed"},
		{stagePast{true, VerbDestroy, StatusStarted, ""}, GoalPresent, "", "the last destroy was killed"},
		{stagePast{true, VerbDestroy, StatusStarted, ""}, GoalAbsent, "", "the last destroy was killed"},
		{stagePast{true, VerbDestroy, StatusDone, ""}, GoalAbsent, "", ""},
		{stagePast{true, VerbApply, StatusDone, "f1"}, GoalAbsent, "", "it was applied"},
		{stagePast{true, VerbApply, StatusStarted, ""}, GoalAbsent, "", "the last apply was killed"},
	} {
		if got := c.last.resume(c.goal, Plan{Fingerprint: c.fingerprint}); got != c.want {
			t.Errorf("%+v, %s, fingerprint %q: %q, want %q", c.last, c.goal, c.fingerprint, got, c.want)
		}
	}
}
