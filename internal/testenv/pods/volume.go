//go:build linux

package pods

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	authentication "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// content is the files of a volume: their paths inside it, and modes.
type content map[string]contentFile

type contentFile struct {
	data string
	mode os.FileMode
}

// volumes makes the volumes of the pod as folders below dir.
func (r resolver) volumes(ctx context.Context, dir string) error {
	for _, volume := range r.pod.Spec.Volumes {
		path := filepath.Join(dir, volume.Name)
		if err := os.MkdirAll(path, 0o777); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o777); err != nil { // whatever the umask is
			return err
		}
		if volume.EmptyDir != nil {
			if err := r.toGroup(path); err != nil {
				return err
			}
			continue
		}
		files, err := r.content(ctx, volume.VolumeSource)
		if err != nil {
			return fmt.Errorf("MountVolume.SetUp failed for volume %q: %w", volume.Name, err)
		}
		for name, file := range files {
			if err := r.write(filepath.Join(path, name), file); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r resolver) write(path string, file contentFile) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(file.data), file.mode); err != nil {
		return err
	}
	if group := r.group(); group != nil {
		file.mode |= 0o040 // as a kubelet does, so that the group can read it
	}
	return errors.Join(r.toGroup(path), os.Chmod(path, file.mode))
}

// toGroup gives what a volume holds to the pod's group.
func (r resolver) toGroup(path string) error {
	if group := r.group(); group != nil {
		return os.Chown(path, 0, int(*group))
	}
	return nil
}

func (r resolver) group() *int64 {
	if security := r.pod.Spec.SecurityContext; security != nil {
		return security.FSGroup
	}
	return nil
}

func (r resolver) content(ctx context.Context, source core.VolumeSource) (content, error) {
	switch {
	case source.ConfigMap != nil:
		values, err := r.configMap(ctx, source.ConfigMap.Name, isTrue(source.ConfigMap.Optional))
		return choose(values, source.ConfigMap.Items, source.ConfigMap.DefaultMode, isTrue(source.ConfigMap.Optional), err)
	case source.Secret != nil:
		values, err := r.secret(ctx, source.Secret.SecretName, isTrue(source.Secret.Optional))
		return choose(values, source.Secret.Items, source.Secret.DefaultMode, isTrue(source.Secret.Optional), err)
	case source.DownwardAPI != nil:
		return r.downward(ctx, source.DownwardAPI.Items, source.DownwardAPI.DefaultMode)
	case source.Projected != nil:
		return r.projected(ctx, source.Projected)
	}
	return nil, errors.New("the testbed has no volumes of this kind")
}

func (r resolver) projected(ctx context.Context, source *core.ProjectedVolumeSource) (content, error) {
	all := content{}
	for _, part := range source.Sources {
		files, err := r.projectedPart(ctx, part, source.DefaultMode)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, files)
	}
	return all, nil
}

func (r resolver) projectedPart(ctx context.Context, part core.VolumeProjection, mode *int32) (content, error) {
	switch {
	case part.ConfigMap != nil:
		values, err := r.configMap(ctx, part.ConfigMap.Name, isTrue(part.ConfigMap.Optional))
		return choose(values, part.ConfigMap.Items, mode, isTrue(part.ConfigMap.Optional), err)
	case part.Secret != nil:
		values, err := r.secret(ctx, part.Secret.Name, isTrue(part.Secret.Optional))
		return choose(values, part.Secret.Items, mode, isTrue(part.Secret.Optional), err)
	case part.DownwardAPI != nil:
		return r.downward(ctx, part.DownwardAPI.Items, mode)
	case part.ServiceAccountToken != nil:
		token, err := r.token(ctx, part.ServiceAccountToken)
		return content{part.ServiceAccountToken.Path: {token, fileMode(mode)}}, err
	}
	return nil, errors.New("the testbed has no projected volumes of this kind")
}

func (r resolver) token(ctx context.Context, source *core.ServiceAccountTokenProjection) (string, error) {
	request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{
		ExpirationSeconds: source.ExpirationSeconds,
		BoundObjectRef:    &authentication.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: r.pod.Name, UID: r.pod.UID},
	}}
	if source.Audience != "" {
		request.Spec.Audiences = []string{source.Audience}
	}
	answer, err := r.client.CoreV1().ServiceAccounts(r.pod.Namespace).
		CreateToken(ctx, r.pod.Spec.ServiceAccountName, request, meta.CreateOptions{})
	if err != nil {
		return "", err
	}
	return answer.Status.Token, nil
}

func (r resolver) downward(ctx context.Context, items []core.DownwardAPIVolumeFile, mode *int32) (content, error) {
	files := content{}
	for _, item := range items {
		value, _, err := r.valueFrom(ctx, &core.EnvVarSource{FieldRef: item.FieldRef, ResourceFieldRef: item.ResourceFieldRef}, &core.Container{})
		if err != nil {
			return nil, err
		}
		files[item.Path] = contentFile{value, fileMode(first(item.Mode, mode))}
	}
	return files, nil
}

// choose returns all values as files, or those that items name.
func choose(values map[string]string, items []core.KeyToPath, mode *int32, optional bool, err error) (content, error) {
	if err != nil {
		return nil, err
	}
	files := content{}
	if len(items) == 0 {
		for key, value := range values {
			files[key] = contentFile{value, fileMode(mode)}
		}
		return files, nil
	}
	for _, item := range items {
		value, ok := values[item.Key]
		if !ok && !optional {
			return nil, fmt.Errorf("references non-existent config key: %s", item.Key)
		}
		if ok {
			files[item.Path] = contentFile{value, fileMode(first(item.Mode, mode))}
		}
	}
	return files, nil
}

func first(a, b *int32) *int32 {
	if a != nil {
		return a
	}
	return b
}

func fileMode(mode *int32) os.FileMode {
	if mode == nil {
		return 0o644
	}
	return os.FileMode(*mode)
}
