package secrets

import (
	"context"

	"github.com/gamemetrics/gmctl/internal/kube"
)

// Made is a Kubernetes Secret that is made at random where it is not there: it has no
// source, and lives and dies with its cluster.
type Made struct {
	Namespace, Name string
	Field           string
	New             func() string // the field's value
}

// String is how plans call it.
func (m Made) String() string { return place{m.Namespace, m.Name}.String() }

// missing returns those that are not there, or have no value.
func (s *Stage) missing(ctx context.Context, cluster Cluster) ([]Made, error) {
	var all []Made
	for _, one := range s.Made {
		found, err := cluster.Secret(ctx, one.Namespace, one.Name)
		if err != nil {
			return nil, err
		}
		if !one.holds(found) {
			all = append(all, one)
		}
	}
	return all, nil
}

func (m Made) holds(found *kube.Secret) bool { return found != nil && len(found.Data[m.Field]) > 0 }

// make makes those that are missing, and touches no other.
func (s *Stage) make(ctx context.Context, cluster Cluster) error {
	missing, err := s.missing(ctx, cluster)
	if err != nil {
		return err
	}
	for _, one := range missing {
		data := map[string][]byte{one.Field: []byte(one.New())}
		_, err := cluster.ApplySecret(ctx, Set, kube.Secret{Namespace: one.Namespace, Name: one.Name, Data: data, Labels: partOf()})
		if err != nil {
			return err
		}
	}
	return nil
}

// versionsOfMade adds to versions those of the secrets that have no source.
func (s *Stage) versionsOfMade(ctx context.Context, cluster Cluster, versions map[string]string) error {
	for _, one := range s.Made {
		found, err := cluster.Secret(ctx, one.Namespace, one.Name)
		if err != nil {
			return err
		}
		version := "to come"
		if one.holds(found) {
			version = content(found.Data)
		}
		versions[one.Namespace+"/"+one.Name] = version
	}
	return nil
}

// place is where a Secret is.
type place struct{ namespace, name string }

func (p place) String() string { return "secret " + p.namespace + "/" + p.name }

// places are those of all secrets of the stage.
func (s *Stage) places() []place {
	var all []place
	for _, one := range s.Names {
		all = append(all, place{one.Namespace, one.Name})
	}
	for _, one := range s.Made {
		all = append(all, place{one.Namespace, one.Name})
	}
	return all
}

func partOf() map[string]string { return map[string]string{"app.kubernetes.io/part-of": "gamemetrics"} }
