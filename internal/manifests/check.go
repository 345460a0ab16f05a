package manifests

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// missing names the values that the objects need and that are not set.
func (v Values) missing(objects []*unstructured.Unstructured) []string {
	var names []string
	need := func(name string, known bool) {
		if !known {
			names = append(names, name)
		}
	}
	for _, object := range objects {
		switch object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName() {
		case "ConfigMap " + ownNamespace + "/" + configName:
			need("the region", v.Region != "")
			need("where PostgreSQL is", v.Database != (Database{}))
			need("where Redis is", v.Redis != (Redis{}))
		case "ConfigMap " + ownNamespace + "/" + kafkaCAName:
			need("the CA of Kafka", v.KafkaCA != "")
		case "StorageClass /" + storageClass:
			need("whose the volumes are", len(v.Tags) > 0)
		}
	}
	for _, image := range unpinned(objects) {
		if image == ownImage {
			need("the digest of gmctl's own image", false)
		} else {
			need(fmt.Sprintf("the version of the image %s", image), false)
		}
	}
	return names
}

// unpinned returns the images of pods that have neither version nor digest.
func unpinned(objects []*unstructured.Unstructured) []string {
	var images []string
	seen := make(map[string]bool)
	for _, object := range objects {
		for _, container := range containers(object) {
			image, _, _ := unstructured.NestedString(container, "image")
			if !pinned(image) && !seen[image] {
				seen[image] = true
				images = append(images, image)
			}
		}
	}
	return images
}

func pinned(image string) bool {
	name, _, byDigest := strings.Cut(image, "@")
	if byDigest {
		return true
	}
	_, tag, tagged := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
	return tagged && tag != "latest"
}

// containers returns the containers of the object's pods.
func containers(object *unstructured.Unstructured) []map[string]any {
	var all []map[string]any
	for _, list := range []string{"initContainers", "containers"} {
		found, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", list)
		for _, entry := range found {
			if container, ok := entry.(map[string]any); ok {
				all = append(all, container)
			}
		}
	}
	return all
}
