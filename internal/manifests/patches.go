package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
)

// The objects that values are laid over, as the bases name them.
const (
	ownImage        = "gmctl"
	configName      = "platform"
	kafkaCAName     = "kafka-ca"
	storageClass    = "gp3"
	toPostgres      = "to-postgres"
	toCollector     = "to-collector"
	ownNamespace    = "gamemetrics"
	volumeTagPrefix = "tagSpecification_" // of the EBS CSI driver's parameters
)

// overlay is the kustomization that lays the values over the one at base.
func (v Values) overlay(base string) (*types.Kustomization, error) {
	k := &types.Kustomization{
		TypeMeta:    types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind},
		Resources:   []string{base},
		SortOptions: &types.SortOptions{Order: types.LegacySortOrder},
	}
	if v.Image != "" {
		name, digest, ok := strings.Cut(v.Image, "@")
		if !ok {
			return nil, fmt.Errorf("the image %s is not named by its digest", v.Image)
		}
		k.Images = []types.Image{{Name: ownImage, NewName: name, Digest: digest}}
	}
	patches, err := v.patches()
	if err != nil {
		return nil, err
	}
	for _, patch := range patches {
		text, err := json.Marshal(patch.content) // which is YAML too
		if err != nil {
			return nil, err
		}
		k.Patches = append(k.Patches, types.Patch{Patch: string(text), Target: patch.target})
	}
	return k, nil
}

// patch changes the objects that its target selects; where there are none it
// does nothing.
type patch struct {
	target  *types.Selector
	content any
}

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

func (v Values) patches() ([]patch, error) {
	var patches []patch
	if data := v.config(); len(data) > 0 {
		patches = append(patches, configMap(configName, data))
	}
	if v.KafkaCA != "" {
		patches = append(patches, configMap(kafkaCAName, map[string]string{"ca.crt": v.KafkaCA}))
	}
	if v.Database != (Database{}) {
		patches = append(patches, patch{
			target:  selector("networking.k8s.io", "NetworkPolicy", toPostgres, ownNamespace),
			content: []operation{{"replace", "/spec/egress/0/ports/0/port", v.Database.Port}},
		})
	}
	var tags []operation
	for i, name := range slices.Sorted(maps.Keys(v.Tags)) {
		tags = append(tags, operation{"add", fmt.Sprintf("/parameters/%s%d", volumeTagPrefix, i+1), name + "=" + v.Tags[name]})
	}
	if len(tags) > 0 {
		patches = append(patches, patch{selector("storage.k8s.io", "StorageClass", storageClass, ""), tags})
	}
	if v.Tracing.Endpoint != "" {
		port, err := v.Tracing.port()
		if err != nil {
			return nil, err
		}
		patches = append(patches, patch{
			target:  selector("networking.k8s.io", "NetworkPolicy", toCollector, ownNamespace),
			content: []operation{{"replace", "/spec/egress", []any{map[string]any{"ports": []any{map[string]any{"protocol": "TCP", "port": port}}}}}},
		})
	}
	return patches, nil
}

// config are the environment variables of all services.
func (v Values) config() map[string]string {
	data := make(map[string]string)
	if v.Region != "" {
		data["AWS_REGION"] = v.Region
	}
	if v.Database != (Database{}) {
		data["GMCTL_DATABASE_URL"] = v.Database.url()
	}
	if v.Redis != (Redis{}) {
		data["GMCTL_REDIS_ADDRESS"] = v.Redis.address()
	}
	if v.Tracing.Endpoint != "" {
		maps.Copy(data, v.Tracing.config())
	}
	return data
}

func configMap(name string, data map[string]string) patch {
	return patch{
		target: selector("", "ConfigMap", name, ownNamespace),
		content: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{"name": name, "namespace": ownNamespace},
			"data":     data,
		},
	}
}

func selector(group, kind, name, namespace string) *types.Selector {
	return &types.Selector{ResId: resid.ResId{
		Gvk: resid.Gvk{Group: group, Kind: kind}, Name: "^" + name + "$", Namespace: namespace,
	}}
}
