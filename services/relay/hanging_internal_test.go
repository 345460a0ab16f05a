package relay

import (
	"errors"
	"testing"
	"time"
)

// What the partitions know decides whether a transaction hangs and where the
// marker is that tells how it was ended.
func TestSplit(t *testing.T) {
	now := time.Now()
	at := func(epoch int16, open bool) producing { return producing{epoch: epoch, open: open, last: now} }
	late := at(41, true)
	late.last = now.Add(-13 * time.Hour)
	for name, c := range map[string]struct {
		known          []producing
		own            int16
		hanging, ended int
		unclear        bool
	}{
		"nothing is known":                         {nil, 7, 0, 0, false},
		"all have their markers":                   {[]producing{at(42, false), at(41, false)}, 43, 0, 0, false},
		"no marker at all":                         {[]producing{at(41, true), at(41, true)}, 43, 2, 0, false},
		"one has its marker":                       {[]producing{at(41, true), at(42, false), at(41, true)}, 44, 2, 1, false},
		"one was left out of the transaction":      {[]producing{at(39, false), at(41, true)}, 43, 1, 0, false},
		"one has the marker before, which is none": {[]producing{at(41, false), at(41, true)}, 43, 1, 0, false},
		"a later transaction was ended":            {[]producing{at(41, true), at(43, false)}, 44, 1, 0, true},
		"two transactions hang":                    {[]producing{at(41, true), at(40, true)}, 44, 2, 0, true},
		"it is this session's own":                 {[]producing{at(44, true)}, 44, 1, 0, true},
		"too old for others to be remembered":      {[]producing{late}, 44, 1, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			hanging, ended, err := split(c.known, c.own, now)
			if len(hanging) != c.hanging || len(ended) != c.ended || errors.Is(err, errUnclear) != c.unclear {
				t.Errorf("%d hanging, %d ended, %v; want %d, %d, unclear: %t", len(hanging), len(ended), err, c.hanging, c.ended, c.unclear)
			}
		})
	}
}
