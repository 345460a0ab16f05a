package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// layer is a compressed tar that can be opened as often as it must be sent.
type layer struct {
	blob
	open func() (io.ReadCloser, error)
}

// blob is what an image says of a layer.
type blob struct {
	Compressed   v1.Hash `json:"digest"`
	Uncompressed v1.Hash `json:"diffId"`
	Bytes        int64   `json:"size"` // compressed
}

var _ v1.Layer = (*layer)(nil)

func (l *layer) Digest() (v1.Hash, error)             { return l.blob.Compressed, nil }
func (l *layer) DiffID() (v1.Hash, error)             { return l.blob.Uncompressed, nil }
func (l *layer) Size() (int64, error)                 { return l.Bytes, nil }
func (l *layer) MediaType() (types.MediaType, error)  { return types.OCILayer, nil }
func (l *layer) Compressed() (io.ReadCloser, error)   { return l.open() }
func (l *layer) Uncompressed() (io.ReadCloser, error) { return decompressed(l.open()) }

func decompressed(compressed io.ReadCloser, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	reader, err := gzip.NewReader(compressed)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{reader, compressed}, nil
}

// entry is a file or, without content, a folder of a layer.
type entry struct {
	name    string // without a leading slash; a folder's ends with one
	mode    int64
	owner   int
	size    int64
	content io.Reader
}

// pack writes the entries as a compressed tar and says what an image must know
// of it. No time and no name of this machine gets into it.
func pack(to io.Writer, entries []entry) (blob, error) {
	compressed, uncompressed, size := sha256.New(), sha256.New(), &counter{}
	zipped := gzip.NewWriter(io.MultiWriter(to, compressed, size))
	archive := tar.NewWriter(io.MultiWriter(zipped, uncompressed))
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Uid: e.owner, Gid: e.owner, Size: e.size, ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if e.content == nil {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return blob{}, err
		}
		if e.content == nil {
			continue
		}
		if _, err := io.Copy(archive, e.content); err != nil {
			return blob{}, err
		}
	}
	if err := archive.Close(); err != nil {
		return blob{}, err
	}
	if err := zipped.Close(); err != nil {
		return blob{}, err
	}
	return blob{Compressed: sum(compressed), Uncompressed: sum(uncompressed), Bytes: size.n}, nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// memoryLayer packs what is small.
func memoryLayer(entries []entry) (*layer, error) {
	var content bytes.Buffer
	packed, err := pack(&content, entries)
	if err != nil {
		return nil, err
	}
	return &layer{packed, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil }}, nil
}

func folder(name string) entry { return entry{name: name + "/", mode: 0o755} }

func text(name, content string) entry {
	return entry{name: name, mode: 0o644, size: int64(len(content)), content: bytes.NewReader([]byte(content))}
}

// program is the file as what the image runs; the caller closes the file.
func program(path, name string) (entry, *os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return entry{}, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return entry{}, nil, err
	}
	return entry{name: name, mode: 0o755, size: info.Size(), content: file}, file, nil
}
