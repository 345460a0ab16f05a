package capacity

import (
	_ "embed"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

//go:embed addons.yaml
var addOns string

// AddOns returns what EKS's own add-ons run, as far as the scheduler cares.
func AddOns() ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(addOns), len(addOns))
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); err != nil {
			if len(objects) > 0 && err.Error() == "EOF" {
				return objects, nil
			}
			return nil, err
		}
		objects = append(objects, object)
	}
}
