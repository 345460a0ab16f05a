package importer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Format is how events are written in a file.
type Format string

const (
	NDJSON Format = "ndjson"
	CSV    Format = "csv"
)

// Stdin is the name of standard input where a file is expected.
const Stdin = "-"

// zstdMaxWindow bounds the memory that a compressed file can ask for, in bytes.
const zstdMaxWindow = 128 << 20

// source is an opened input, decompressed.
type source struct {
	path    string // absolute; Stdin for standard input
	size    int64  // in bytes, as stored; 0: not known
	info    os.FileInfo
	content *bufio.Reader            // decompressed, without a byte order mark
	offset  int64                    // of content's next byte in the decompressed stream
	seek    func(offset int64) error // nil where the stream has to be read through
	read    *atomic.Int64            // bytes taken from the file so far
	close   func() error
}

// open opens the file at path, or stdin. The caller closes it.
func open(path string, stdin io.Reader) (*source, error) {
	if path == Stdin {
		return newSource(&source{path: Stdin, close: func() error { return nil }}, stdin)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	file, err := os.Open(absolute)
	if err != nil {
		return nil, unreadable(path, err)
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a directory")
	}
	if err != nil {
		file.Close()
		return nil, unreadable(path, err)
	}
	src := &source{path: absolute, info: info, close: file.Close}
	if info.Mode().IsRegular() {
		src.size = info.Size()
		src.seek = func(offset int64) error { return src.seekIn(file, offset) }
	}
	src, err = newSource(src, file)
	if err != nil {
		file.Close()
		return nil, unreadable(path, err)
	}
	return src, nil
}

func (s *source) seekIn(file *os.File, offset int64) error {
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	s.read.Store(offset)
	s.content.Reset(&counter{file, s.read})
	return nil
}

// Readable returns why a file cannot be opened, nil if it can.
func Readable(path string) error {
	if path == Stdin {
		return nil
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		err = errors.New("it is a directory")
	}
	if err == nil && info.Mode().IsRegular() {
		var file *os.File
		if file, err = os.Open(path); err == nil {
			_ = file.Close()
		}
	}
	if err != nil {
		return unreadable(path, err)
	}
	return nil
}

func unreadable(path string, cause error) error {
	p := &problem.Error{
		What: fmt.Sprintf("%s cannot be imported", path), Cause: withoutPath(cause),
		Next: "give NDJSON or CSV files in UTF-8, plain or compressed with gzip or zstd, or - for standard input",
		Kind: problem.Usage,
	}
	if errors.Is(cause, fs.ErrNotExist) || errors.Is(cause, fs.ErrPermission) {
		p.Next = "check the path, and whose the file is"
	}
	return p
}

// withoutPath drops the path that os errors repeat.
func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return pathError.Err
	}
	return err
}

func newSource(src *source, raw io.Reader) (*source, error) {
	src.read = &atomic.Int64{}
	stored := bufio.NewReaderSize(&counter{raw, src.read}, 256<<10)
	content, err := decompress(stored)
	if err != nil {
		return nil, err
	}
	if content != io.Reader(stored) {
		src.seek = nil
	}
	plain := bufio.NewReaderSize(content, 64<<10)
	// The start of a damaged stream is reported where it is read, with its line.
	mark, _ := plain.Peek(3)
	switch {
	case bytes.HasPrefix(mark, []byte{0xEF, 0xBB, 0xBF}):
		_, _ = plain.Discard(3)
		src.offset = 3
	case bytes.HasPrefix(mark, []byte{0xFF, 0xFE}), bytes.HasPrefix(mark, []byte{0xFE, 0xFF}):
		return nil, errors.New("it is UTF-16; convert it first: iconv -f UTF-16 -t UTF-8")
	}
	src.content = plain
	return src, nil
}

// decompress looks at the first bytes, not at the name.
func decompress(stored *bufio.Reader) (io.Reader, error) {
	magic, _ := stored.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1F, 0x8B}):
		return gzip.NewReader(stored)
	case bytes.Equal(magic, []byte{0x28, 0xB5, 0x2F, 0xFD}):
		decoder, err := zstd.NewReader(stored, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdMaxWindow))
		if err != nil {
			return nil, err
		}
		return decoder.IOReadCloser(), nil
	case bytes.HasPrefix(magic, []byte("PK\x03\x04")):
		return nil, errors.New("it is a zip archive; unpack it first")
	}
	return stored, nil
}

// identity names the file as it is now: other content, another place or
// another time of change make another identity. Empty for a stream.
func (s *source) identity(target string) (string, error) {
	if s.info == nil || !s.info.Mode().IsRegular() {
		return "", nil
	}
	file, err := os.Open(s.path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%d\n%d\n", target, s.path, s.info.Size(), s.info.ModTime().UnixNano())
	if _, err := io.CopyN(sum, file, 64<<10); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// FormatOf tells the format from a file's name; NDJSON where it says nothing.
func FormatOf(path string) Format {
	name := strings.ToLower(filepath.Base(path))
	for _, suffix := range []string{".gz", ".gzip", ".zst", ".zstd"} {
		name = strings.TrimSuffix(name, suffix)
	}
	if strings.HasSuffix(name, ".csv") {
		return CSV
	}
	return NDJSON
}

// counter counts the bytes read through it.
type counter struct {
	io.Reader
	read *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read.Add(int64(n))
	return n, err
}
