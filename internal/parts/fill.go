package parts

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Fill takes the files of the lock from a folder or a tar file (gzipped or not),
// whatever stands there beside them and wherever: a file is known by its digest.
// It returns how many it took. Its error is a *problem.Error, also when a file
// of the lock is not there, and then says what stands there in its name.
func (s Store) Fill(lock *Lock, from string) (taken int, err error) {
	wanted := make(map[string][]pinned) // by digest
	for _, file := range lock.files() {
		if file.part.Remote() {
			wanted[file.file.SHA256] = append(wanted[file.file.SHA256], file)
		}
	}
	found := make(map[string]bool)       // digests
	namesakes := make(map[string]string) // name to digest of what is not wanted
	err = walk(from, func(name string, content []byte) error {
		sum := digest(content)
		if len(wanted[sum]) == 0 {
			namesakes[path.Base(name)] = sum
			return nil
		}
		found[sum] = true
		for _, file := range wanted[sum] {
			if err := s.write(file, content); err != nil {
				return err
			}
			taken++
		}
		return nil
	})
	if err != nil {
		return taken, &problem.Error{What: "the parts cannot be taken from " + from, Cause: err, Next: "give a folder, a .tar or a .tar.gz: gmctl parts fetch --from DIR"}
	}
	return taken, s.lacking(lock, from, found, namesakes)
}

// lacking is the error of the first file that was neither found nor is in the
// store.
func (s Store) lacking(lock *Lock, from string, found map[string]bool, namesakes map[string]string) error {
	for _, file := range lock.files() {
		if !file.part.Remote() || found[file.file.SHA256] {
			continue
		}
		if _, err := s.read(file); err == nil {
			continue
		}
		cause := fmt.Errorf("no file has the SHA-256 %s", file.file.SHA256)
		if got, ok := namesakes[file.file.Name]; ok {
			cause = &digestError{wanted: file.file.SHA256, got: got}
		}
		return &problem.Error{
			What: fmt.Sprintf("%s is not in %s", file, from), Cause: cause,
			Next: "make it from the cache of a machine with the same gmctl, after gmctl parts fetch: gmctl parts list says where it is",
		}
	}
	return nil
}

// walk calls use for each file in a folder or a tar file.
func walk(from string, use func(name string, content []byte) error) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return walkTar(from, use)
	}
	return filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Size() > largest {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return use(filepath.ToSlash(name), content)
	})
}

func walkTar(from string, use func(name string, content []byte) error) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer file.Close()
	buffered := bufio.NewReader(file)
	var stream io.Reader = buffered
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return err
		}
		stream = unzipped
	}
	archive := tar.NewReader(stream)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg || header.Size > largest {
			continue
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		if err := use(header.Name, content); err != nil {
			return err
		}
	}
}
