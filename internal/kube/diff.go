package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/engine"
)

// Diff returns what Apply would change, in the order it would. The API server
// itself compares, in a dry run, with its defaults and webhooks. What needs a
// namespace or a CRD that is not there yet is to be created, and is no error.
func (c *Client) Diff(ctx context.Context, set string, objects []*unstructured.Unstructured) ([]engine.Change, error) {
	prepared, err := prepare(set, objects)
	if err != nil {
		return nil, err
	}
	listed, _, err := c.readInventory(ctx, set)
	if err != nil {
		return nil, err
	}
	ordered := slices.Concat(phases(prepared)...)
	changes := make([]*engine.Change, len(ordered))
	work, inWork := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for i, object := range ordered {
		work.Go(func() error {
			change, err := c.diffOne(inWork, set, object)
			changes[i] = change
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	var found []engine.Change
	for _, change := range changes {
		if change != nil {
			found = append(found, *change)
		}
	}
	old, err := c.findObsolete(ctx, set, listed, refs(prepared))
	if err != nil {
		return nil, err
	}
	for _, gone := range old {
		change := engine.Change{Action: engine.ActionDelete, Object: gone.ref.String(), Detail: "not wanted any more"}
		if gone.keep != "" {
			change = engine.Change{Action: engine.ActionKeep, Object: gone.ref.String(), Detail: "not wanted any more, but " + gone.keep}
		}
		found = append(found, change)
	}
	return found, nil
}

// diffOne returns nil where nothing would change.
func (c *Client) diffOne(ctx context.Context, set string, object *unstructured.Unstructured) (*engine.Change, error) {
	ref := RefOf(object)
	live, err := c.fetch(ctx, ref)
	if err != nil {
		return nil, explain(err, ref.String()+" could not be read")
	}
	if taken, err := takenByOther(set, live); taken || err != nil {
		return nil, err
	}
	tried, err := c.patch(ctx, object, true)
	missing := errors.Is(err, errNoKind) || apierrors.IsNotFound(err) || isTerminating(err)
	switch {
	case live == nil && (err == nil || missing), live != nil && live.GetDeletionTimestamp() != nil:
		return &engine.Change{Action: engine.ActionCreate, Object: ref.String()}, nil
	case cannotChange(err) && replaceable(ref):
		return &engine.Change{Action: engine.ActionReplace, Object: ref.String(), Detail: "what changed cannot be changed in place"}, nil
	case err != nil:
		return nil, explainObject(err, ref, "would be refused")
	}
	paths := differences(content(live), content(tried), "", ref.isSecret())
	if len(paths) == 0 {
		return nil, nil
	}
	detail := some(paths)
	if live.GetLabels()[LabelSet] == "" {
		detail = "is there already, and taken over: " + detail
	}
	return &engine.Change{Action: engine.ActionUpdate, Object: ref.String(), Detail: detail}, nil
}

// content is what a person means by an object: without what the API server
// keeps of its own.
func content(object *unstructured.Unstructured) map[string]any {
	plain := object.DeepCopy().Object
	delete(plain, "status")
	if metadata, ok := plain["metadata"].(map[string]any); ok {
		for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"} {
			delete(metadata, field)
		}
	}
	return plain
}

// differences lists the paths at which two values differ, with short values,
// which a secret's are never shown of.
func differences(before, after any, path string, secret bool) []string {
	if reflect.DeepEqual(before, after) {
		return nil
	}
	switch before := before.(type) {
	case map[string]any:
		after, ok := after.(map[string]any)
		if !ok {
			break
		}
		keys := maps.Clone(before)
		maps.Copy(keys, after)
		var found []string
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			found = append(found, differences(before[key], after[key], strings.TrimPrefix(path+"."+key, "."), secret)...)
		}
		return found
	case []any:
		after, ok := after.([]any)
		if !ok || len(after) != len(before) {
			break
		}
		var found []string
		for i := range before {
			found = append(found, differences(before[i], after[i], fmt.Sprintf("%s[%s]", path, elementName(before[i], i)), secret)...)
		}
		return found
	}
	switch {
	case secret || !scalar(before) || !scalar(after):
		return []string{path}
	case before == nil:
		return []string{fmt.Sprintf("%s: %v", path, after)}
	case after == nil:
		return []string{path + " goes"}
	}
	return []string{fmt.Sprintf("%s: %v → %v", path, before, after)}
}

// elementName is how a person finds an element of a list again.
func elementName(element any, at int) string {
	if fields, ok := element.(map[string]any); ok {
		if name, ok := fields["name"].(string); ok {
			return name
		}
	}
	return fmt.Sprint(at)
}

// scalar reports whether a value is short enough to be shown.
func scalar(value any) bool {
	const longest = 80
	switch value := value.(type) {
	case string:
		return len(value) <= longest && !strings.Contains(value, "\n")
	case map[string]any, []any:
		return false
	}
	return true
}
