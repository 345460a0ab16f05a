package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// layout is part of the name of what is kept: another number, and it is all
// packed anew. It changes with how a program's layer is written.
const layout = "1"

// keepUnused is how long a layer stays that no image is made of any more.
const keepUnused = 30 * 24 * time.Hour

// cachedProgram is the layer of a program. It is packed once, to a file in the
// folder dir that is named after the program's content.
func cachedProgram(dir, path string) (*layer, error) {
	key, err := fileSum(path)
	if err != nil {
		return nil, err
	}
	packed := filepath.Join(dir, layout+"-"+key.Hex[:32]+".tar.gz")
	if known, ok := kept(packed); ok {
		return known, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	removeUnused(dir)
	return packProgram(path, packed)
}

// kept returns the layer that the file holds, if it is whole.
func kept(packed string) (*layer, bool) {
	text, err := os.ReadFile(packed + ".json")
	if err != nil {
		return nil, false
	}
	var about blob
	if json.Unmarshal(text, &about) != nil {
		return nil, false
	}
	actual, err := fileSum(packed)
	if err != nil || actual != about.Compressed {
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(packed, now, now)         // that it is used only keeps it longer
	_ = os.Chtimes(packed+".json", now, now) // likewise
	return fileLayer(packed, about), true
}

func fileLayer(packed string, about blob) *layer {
	return &layer{about, func() (io.ReadCloser, error) { return os.Open(packed) }}
}

// packProgram writes the layer to the file packed, and what it is beside it.
// Several processes may do so at once: each writes the same.
func packProgram(path, packed string) (*layer, error) {
	file, err := os.CreateTemp(filepath.Dir(packed), "packing-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name()) // fails when it was renamed, as it should be
	defer file.Close()
	program, source, err := program(path, strings.TrimPrefix(Entrypoint, "/"))
	if err != nil {
		return nil, err
	}
	defer source.Close()
	about, err := pack(file, []entry{folder("usr"), folder("usr/local"), folder("usr/local/bin"), program})
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(about)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(file.Name(), packed); err != nil {
		return nil, err
	}
	if err := os.WriteFile(packed+".json", text, 0o644); err != nil {
		return nil, err
	}
	return fileLayer(packed, about), nil
}

// removeUnused makes room. What cannot be removed stays.
func removeUnused(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > keepUnused {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

func fileSum(path string) (v1.Hash, error) {
	file, err := os.Open(path)
	if err != nil {
		return v1.Hash{}, err
	}
	defer file.Close()
	content := sha256.New()
	if _, err := io.Copy(content, file); err != nil {
		return v1.Hash{}, err
	}
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(content.Sum(nil))}, nil
}
