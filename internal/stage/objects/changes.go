package objects

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kube"
)

// enoughToGroup is how many of a kind a reader wants to see as one line.
const enoughToGroup = 4

// grouped makes one line of many objects of one kind that the same is done to:
// "6 × KafkaTopic". What is changed in place, kept, or holds data is named.
func grouped(changes []engine.Change) []engine.Change {
	type key struct {
		action engine.Action
		kind   string
	}
	groupOf := func(change engine.Change) (key, bool) {
		kind, _, _ := strings.Cut(change.Object, " ")
		together := (change.Action == engine.ActionCreate || change.Action == engine.ActionDelete) && change.Holds == ""
		return key{change.Action, kind}, together
	}
	members := map[key][]string{}
	for _, change := range changes {
		if group, ok := groupOf(change); ok {
			_, name, _ := strings.Cut(change.Object, " ")
			members[group] = append(members[group], name)
		}
	}
	var lines []engine.Change
	told := map[key]bool{}
	for _, change := range changes {
		group, ok := groupOf(change)
		names := members[group]
		if !ok || len(names) < enoughToGroup {
			lines = append(lines, change)
			continue
		}
		if !told[group] {
			told[group] = true
			detail := fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
			lines = append(lines, engine.Change{Action: change.Action, Object: fmt.Sprintf("%d × %s", len(names), group.kind), Detail: detail, Count: len(names)})
		}
	}
	return lines
}

// removals lists what goes, with what holds data named.
func removals(doomed []kube.Doomed) []engine.Change {
	changes := make([]engine.Change, len(doomed))
	for i, one := range doomed {
		changes[i] = engine.Change{Action: engine.ActionDelete, Object: one.Ref.String(), Holds: one.Holds}
		if one.Kept {
			changes[i].Action = engine.ActionKeep
		}
	}
	return grouped(changes)
}

// fingerprint is a hash of what is wanted.
func fingerprint(objects []*unstructured.Unstructured) (string, error) {
	hash := sha256.New()
	for _, object := range objects {
		text, err := json.Marshal(object)
		if err != nil {
			return "", err
		}
		hash.Write(text)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}
