//go:build linux

package pods

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	registry "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// image is one that is unpacked on this machine.
type image struct {
	digest string // of the manifest of this platform
	config registry.Config
	root   string // its files
}

// images holds what was pulled, below dir, by the reference with its digest.
type images struct {
	dir    string
	auth   authn.Authenticator
	mu     sync.Mutex
	pulled map[string]*pull
}

type pull struct {
	once  sync.Once
	image *image
	err   error
}

// errNotByDigest is that of a reference whose image may change under it.
var errNotByDigest = errors.New("the image is not named by its digest")

// get returns the image of a reference by digest. It is pulled and unpacked once;
// what failed is tried again with the next call.
func (i *images) get(ctx context.Context, reference string) (*image, error) {
	digest, err := name.NewDigest(reference, name.Insecure)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", reference, errNotByDigest)
	}
	i.mu.Lock()
	p, ok := i.pulled[digest.String()]
	if !ok {
		p = &pull{}
		i.pulled[digest.String()] = p
	}
	i.mu.Unlock()
	p.once.Do(func() {
		if p.image, p.err = i.pull(ctx, digest); p.err != nil {
			i.mu.Lock()
			delete(i.pulled, digest.String())
			i.mu.Unlock()
		}
	})
	return p.image, p.err
}

func (i *images) pull(ctx context.Context, digest name.Digest) (*image, error) {
	found, err := remote.Image(digest, remote.WithContext(ctx), remote.WithAuth(i.auth),
		remote.WithPlatform(registry.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		return nil, explainPull(digest, err)
	}
	manifest, err := found.Digest()
	if err != nil {
		return nil, err
	}
	config, err := found.ConfigFile()
	if err != nil {
		return nil, explainPull(digest, err)
	}
	root := filepath.Join(i.dir, strings.ReplaceAll(manifest.String(), ":", "-"))
	partial, err := os.MkdirTemp(i.dir, "partial-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(partial)
	files := mutate.Extract(found)
	defer files.Close()
	if err := unpack(files, partial); err != nil {
		return nil, explainPull(digest, err)
	}
	if err := os.Rename(partial, root); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return &image{digest: manifest.String(), config: config.Config, root: root}, nil
}

// explainPull speaks as a container runtime does of what a registry lacks.
func explainPull(digest name.Digest, err error) error {
	if answer, ok := errors.AsType[*transport.Error](err); ok && answer.StatusCode == http.StatusNotFound {
		return fmt.Errorf("failed to pull and unpack image %q: %s: not found", digest, digest)
	}
	return fmt.Errorf("failed to pull and unpack image %q: %w", digest, err)
}

// unpack writes the files of an archive below dir, with their owners. A name
// that leads out of dir is an error.
func unpack(archive io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Chmod(".", 0o755); err != nil {
		return err
	}
	for files := tar.NewReader(archive); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := unpackOne(root, header, files); err != nil {
			return fmt.Errorf("unpack %s: %w", header.Name, err)
		}
	}
}

func unpackOne(root *os.Root, header *tar.Header, content io.Reader) error {
	path := filepath.Clean(strings.TrimPrefix(header.Name, "/"))
	if path == "." {
		return nil
	}
	if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := header.FileInfo().Mode()
	switch header.Typeflag {
	case tar.TypeDir:
		if err := root.MkdirAll(path, 0o755); err != nil {
			return err
		}
	case tar.TypeReg:
		file, err := root.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, path)
	case tar.TypeLink:
		return root.Link(filepath.Clean(strings.TrimPrefix(header.Linkname, "/")), path)
	default:
		return nil // devices are not an image's to bring
	}
	if err := root.Lchown(path, header.Uid, header.Gid); err != nil {
		return err
	}
	return root.Chmod(path, mode.Perm()|mode&(os.ModeSetuid|os.ModeSetgid|os.ModeSticky))
}

// link makes a tree of directories at to whose files are those of from. The
// tree costs next to nothing; its root is mounted read-only, so that no
// container changes what others run.
func link(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if !entry.IsDir() {
			return os.Link(path, target)
		}
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		uid, gid := owner(info)
		return errors.Join(os.Chown(target, uid, gid), os.Chmod(target, info.Mode().Perm()|info.Mode()&os.ModeSticky))
	})
}
