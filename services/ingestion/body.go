package ingestion

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// encodings are the values of Content-Encoding that the service takes.
const encodings = "gzip, zstd, identity"

// maxKeptBody is the size of the largest buffer that is used again, in bytes.
const maxKeptBody = 2 << 20

// readBody returns the request's body, decompressed, of at most limit bytes
// both before and after. The body is valid until release is called.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, release func(), err error) {
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	if encoding != "" && encoding != "identity" && encoding != "gzip" && encoding != "zstd" {
		return nil, nil, &requestError{
			status: http.StatusUnsupportedMediaType, code: eventapi.UnsupportedEncoding,
			message: fmt.Sprintf("the Content-Encoding %s is not taken, only %s", shown(encoding), encodings),
			header:  [2]string{"Accept-Encoding", encodings},
		}
	}
	if r.ContentLength > limit {
		return nil, nil, tooLarge(limit)
	}
	raw := s.buffer()
	if rw, ok := w.(*responseWriter); ok {
		w = rw.ResponseWriter // net/http closes the connection of a body that is too large
	}
	if _, err := raw.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		s.keep(raw)
		return nil, nil, readError(err, limit)
	}
	if encoding == "" || encoding == "identity" {
		return raw.Bytes(), func() { s.keep(raw) }, nil
	}
	plain := s.buffer()
	err = s.unpackers.unpack(plain, raw.Bytes(), encoding, limit)
	s.keep(raw)
	if err != nil {
		s.keep(plain)
		return nil, nil, err
	}
	return plain.Bytes(), func() { s.keep(plain) }, nil
}

func (s *Server) buffer() *bytes.Buffer {
	b := s.bodies.Get().(*bytes.Buffer)
	b.Reset()
	return b
}

func (s *Server) keep(b *bytes.Buffer) {
	if b.Cap() <= maxKeptBody {
		s.bodies.Put(b)
	}
}

// readError says why the body could not be read.
func readError(err error, limit int64) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &requestError{status: http.StatusRequestTimeout, code: eventapi.BodyTimeout, message: fmt.Sprintf("the body did not come within %s", bodyTimeout)}
	}
	return &requestError{status: http.StatusBadRequest, code: eventapi.BodyIncomplete, message: "the body could not be read to its end"}
}

func tooLarge(limit int64) error {
	return &requestError{
		status: http.StatusRequestEntityTooLarge, code: eventapi.BodyTooLarge,
		message: fmt.Sprintf("the body has more than %d bytes", limit),
	}
}

// unpackers decompress bodies. The zero value is ready.
type unpackers struct {
	gzips sync.Pool // of *gzip.Reader
	zstds sync.Pool // of *zstd.Decoder
}

// unpack appends what packed holds to dst, which then has at most limit bytes
// more: what a small body can grow to is bounded while it grows.
func (u *unpackers) unpack(dst *bytes.Buffer, packed []byte, encoding string, limit int64) error {
	reader, done, err := u.reader(packed, encoding)
	if err != nil {
		return invalidEncoding(encoding)
	}
	defer done()
	switch _, err := dst.ReadFrom(io.LimitReader(reader, limit+1)); {
	case err != nil:
		return invalidEncoding(encoding)
	case int64(dst.Len()) > limit:
		return tooLarge(limit)
	}
	return nil
}

func (u *unpackers) reader(packed []byte, encoding string) (reader io.Reader, done func(), err error) {
	if encoding == "gzip" {
		unzip, ok := u.gzips.Get().(*gzip.Reader)
		if !ok {
			unzip = new(gzip.Reader)
		}
		return unzip, func() { u.gzips.Put(unzip) }, unzip.Reset(bytes.NewReader(packed))
	}
	unzstd, ok := u.zstds.Get().(*zstd.Decoder)
	if !ok {
		// One goroutine and a window of 8 MiB, the largest of the standard levels.
		unzstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, nil, err
		}
	}
	return unzstd, func() { u.zstds.Put(unzstd) }, unzstd.Reset(bytes.NewReader(packed))
}

func invalidEncoding(encoding string) error {
	return &requestError{
		status: http.StatusBadRequest, code: eventapi.InvalidEncoding,
		message: fmt.Sprintf("the body is not valid %s, as its Content-Encoding says", encoding),
	}
}

func isUTF8(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8") || strings.EqualFold(charset, "us-ascii")
}

// orList joins alternatives: "a or b".
func orList(alternatives []string) string { return strings.Join(alternatives, " or ") }
