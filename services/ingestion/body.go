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

// readBody returns the request's body, decompressed, of at most limit bytes both
// before and after, in a buffer for the caller to put back.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, from *sender, limit int64) (*buffer, error) {
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	if encoding != "" && encoding != "identity" && encoding != "gzip" && encoding != "zstd" {
		return nil, &requestError{
			status: http.StatusUnsupportedMediaType, code: eventapi.UnsupportedEncoding,
			message: fmt.Sprintf("the Content-Encoding %s is not taken, only %s", shown(encoding), encodings),
			header:  [2]string{"Accept-Encoding", encodings},
		}
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	if rw, ok := w.(*responseWriter); ok {
		w = rw.ResponseWriter // net/http closes the connection of a body that is too large
	}
	raw, err := s.bodies.fill(from.party, http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, readError(err, limit)
	}
	if encoding == "" || encoding == "identity" {
		return raw, nil
	}
	defer s.bodies.put(raw)
	return s.unpackers.unpack(&s.bodies, raw, encoding, limit)
}

// readError says why the body could not be read.
func readError(err error, limit int64) error {
	if errors.Is(err, errCrowded) {
		return err
	}
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

// unpackersAtOnce is how many bodies are decompressed at the same time. All of them
// have come, so none waits long; a decoder of zstd takes 8 MiB.
const unpackersAtOnce = 4

// unpackers decompress bodies.
type unpackers struct {
	atOnce chan struct{} // has a place for each body that may be decompressed now
	gzips  sync.Pool     // of *gzip.Reader
	zstds  sync.Pool     // of *zstd.Decoder
}

// unpack returns what packed holds, in a buffer of at most limit bytes: what a small
// body can grow to is bounded while it grows.
func (u *unpackers) unpack(into *bodies, packed *buffer, encoding string, limit int64) (*buffer, error) {
	u.atOnce <- struct{}{}
	defer func() { <-u.atOnce }()
	reader, done, err := u.reader(packed.data, encoding)
	if err != nil {
		return nil, invalidEncoding(encoding)
	}
	defer done()
	plain, err := into.fill(packed.from, io.LimitReader(reader, limit+1))
	switch {
	case errors.Is(err, errCrowded):
		return nil, err
	case err != nil:
		return nil, invalidEncoding(encoding)
	case int64(len(plain.data)) > limit:
		into.put(plain)
		return nil, tooLarge(limit)
	}
	return plain, nil
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
