package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamemetrics/gmctl/internal/capacity"
	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/manifests"
	"github.com/gamemetrics/gmctl/internal/parts"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/stage/preflight"
	"github.com/gamemetrics/gmctl/k8s"
)

// The sets of objects: the overlays of a template.
const (
	setPlatform  = "platform"
	setOperators = "operators"
	setKafka     = "kafka"
	setApps      = "apps"
)

// tree holds the manifests without third-party parts: the built-in ones, or the
// folder that the configuration names.
func (p *awsPlatform) tree() fs.FS {
	if p.config.Manifests != "" {
		return os.DirFS(p.config.Manifests)
	}
	return k8s.Tree
}

// wholeTree is the tree with third-party parts, as it was last asked for.
type wholeTree struct {
	mutex sync.Mutex
	tree  fs.FS
	err   error
	asked time.Time
}

const (
	partsTimeout  = time.Minute      // for all of them
	valuesTimeout = 2 * time.Second  // for a look that needs none of them
	partsRetry    = 20 * time.Second // stages that are planned together ask but once
)

// withParts returns the manifests with the third-party parts. What the cache
// lacks is fetched.
func (p *awsPlatform) withParts(ctx context.Context) (fs.FS, error) {
	w := &p.whole
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.tree != nil || w.err != nil && time.Since(w.asked) < partsRetry {
		return w.tree, w.err
	}
	limited, cancel := context.WithTimeout(ctx, partsTimeout)
	defer cancel()
	tree, err := parts.Store{Dir: filepath.Join(p.dirs.Cache, "parts")}.Tree(limited, p.tree())
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		err = &problem.Error{
			What: "the third-party parts could not be fetched within " + humanize.Duration(partsTimeout),
			Next: "fetch them, and see what holds it up: gmctl parts fetch; or bring them from another machine: gmctl parts fetch --from DIR",
		}
	}
	w.tree, w.err, w.asked = tree, err, time.Now()
	return tree, err
}

// unavailable is that parts cannot be had at present.
type unavailable struct{ error }

func (u unavailable) Unwrap() error { return u.error }

// renderings are the sets as they were rendered, each set and values but once:
// several stages look at the same objects.
type renderings struct {
	mutex sync.Mutex
	known map[string]*rendering
}

type rendering struct {
	mutex   sync.Mutex
	objects []*unstructured.Unstructured
}

func (r *renderings) of(key string) *rendering {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.known == nil {
		r.known = map[string]*rendering{}
	}
	if r.known[key] == nil {
		r.known[key] = &rendering{}
	}
	return r.known[key]
}

// rendered is a set with the values, for the caller to keep. Its error is an
// unavailable where that is for parts that cannot be had; what needs none is
// rendered without.
func (p *awsPlatform) rendered(ctx context.Context, set string, values manifests.Values) ([]*unstructured.Unstructured, error) {
	key, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	one := p.renderings.of(set + string(key))
	one.mutex.Lock()
	defer one.mutex.Unlock()
	if one.objects == nil {
		if one.objects, err = p.renderNow(ctx, set, values); err != nil {
			return nil, err
		}
	}
	copies := make([]*unstructured.Unstructured, len(one.objects))
	for i, object := range one.objects {
		copies[i] = object.DeepCopy()
	}
	return copies, nil
}

func (p *awsPlatform) renderNow(ctx context.Context, set string, values manifests.Values) ([]*unstructured.Unstructured, error) {
	tree, missing := p.withParts(ctx)
	if missing != nil {
		if ctx.Err() != nil || problem.From(missing).Kind == problem.Usage { // the manifests are wrong
			return nil, missing
		}
		tree = p.tree()
	}
	wanted, err := manifests.Render(ctx, tree, "overlays/"+p.config.Template+"/"+set, values)
	if err != nil && missing != nil {
		return nil, unavailable{missing}
	}
	return wanted, err
}

// render returns what renders a set. Its error is kube.ErrNotThere while a value
// is not known yet.
func (p *awsPlatform) render(set string) func(context.Context) ([]*unstructured.Unstructured, error) {
	return func(ctx context.Context) ([]*unstructured.Unstructured, error) {
		values, err := p.values(ctx, set)
		if err != nil {
			return nil, err
		}
		return p.rendered(ctx, set, values)
	}
}

// preview returns what tells how much a set is, before its values are known.
func (p *awsPlatform) preview(set string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		wanted, err := p.rendered(ctx, set, manifests.StandIn())
		if missing, ok := errors.AsType[unavailable](err); ok {
			return fmt.Sprintf("how many objects is not known (%s; gmctl parts fetch)", problem.From(missing).What), nil
		}
		return humanize.Plural(len(wanted), "object"), err
	}
}

// preflight is the infrastructure, kept from making nodes that are too small.
func (p *awsPlatform) preflight() engine.Stage {
	return preflight.New(p.infra, preflight.Options{
		Objects: p.everything, Groups: capacityGroups(p.config), Environment: p.name, Force: p.options.Force,
	})
}

// everything is all sets, but for those whose parts are unavailable. What pods ask
// of their nodes depends on no value: those that are known are taken because the
// set is rendered with them anyway.
func (p *awsPlatform) everything(ctx context.Context) (all []*unstructured.Unstructured, missing, err error) {
	for _, set := range []string{setPlatform, setOperators, setKafka, setApps} {
		wanted, err := p.renderedSoon(ctx, set)
		if err != nil {
			wanted, err = p.rendered(ctx, set, manifests.StandIn())
		}
		if lacking, ok := errors.AsType[unavailable](err); ok {
			missing = lacking
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		all = append(all, wanted...)
	}
	return all, missing, nil
}

// renderedSoon is a set with its own values, if they are known by now.
func (p *awsPlatform) renderedSoon(ctx context.Context, set string) ([]*unstructured.Unstructured, error) {
	limited, cancel := context.WithTimeout(ctx, valuesTimeout)
	defer cancel()
	values, err := p.values(limited, set)
	if err != nil {
		return nil, err
	}
	return p.rendered(ctx, set, values)
}

// capacityGroups are the node groups as they begin.
func capacityGroups(cfg config.AWS) []capacity.Group {
	zones := make([]string, cfg.Network.AvailabilityZones)
	for i := range zones {
		zones[i] = fmt.Sprint("zone ", i+1) // which ones, Terraform asks
	}
	var groups []capacity.Group
	for _, name := range slices.Sorted(maps.Keys(cfg.NodeGroups)) {
		group := cfg.NodeGroups[name]
		planned := capacity.Group{Name: name, InstanceType: group.InstanceType, Nodes: group.Desired, Zones: zones}
		if name == config.GroupData {
			planned.Taints = []corev1.Taint{{Key: taintKey, Value: taintValue, Effect: corev1.TaintEffectNoSchedule}}
		}
		groups = append(groups, planned)
	}
	return groups
}
