package objects

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// Many of a kind are one line that counts as many; what is changed in place and
// what holds data is named.
func TestGrouped(t *testing.T) {
	var changes []engine.Change
	for n := range 5 {
		changes = append(changes, engine.Change{Action: engine.ActionCreate, Object: fmt.Sprintf("KafkaTopic kafka/t%d", n)})
	}
	kept := []engine.Change{
		{Action: engine.ActionUpdate, Object: "Deployment gamemetrics/relay", Detail: "image"},
		{Action: engine.ActionDelete, Object: "PersistentVolumeClaim kafka/data", Holds: "8Gi of data"},
	}
	want := append([]engine.Change{{Action: engine.ActionCreate, Object: "5 × KafkaTopic", Detail: "kafka/t0, kafka/t1 and 3 more", Count: 5}}, kept...)
	if diff := cmp.Diff(want, grouped(append(changes, kept...))); diff != "" {
		t.Error(diff)
	}
}
