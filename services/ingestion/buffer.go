package ingestion

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// errCrowded is the ErrUnavailable of bodies that are too large together.
var errCrowded = fmt.Errorf("%w: too many large requests are on their way", ErrUnavailable)

const (
	// smallBody is the size of the buffer that a body begins in, in bytes. It is not
	// counted: a connection takes more for itself.
	smallBody = 4 << 10
	// bodySizes are those of the buffers that are used again: from smallBody to 2 MiB,
	// each twice the one before.
	bodySizes = 10
)

// bodies are the buffers of the bodies on their way. They grow with what has come of
// a body, not with what its client says will come: one that sends nothing takes
// nothing from the others.
type bodies struct {
	most  int64        // bytes of those that are counted
	held  atomic.Int64 // bytes, up to most
	pools [bodySizes]sync.Pool
}

// buffer holds a body, or as much of it as has come.
type buffer struct {
	data []byte
	size int // its capacity is smallBody << size
}

// fill reads r to its end, into a buffer for the caller to put back. Its error is the
// reader's, or errCrowded.
func (p *bodies) fill(r io.Reader) (*buffer, error) {
	b, err := p.get(0)
	for err == nil {
		if len(b.data) == cap(b.data) {
			b, err = p.grow(b)
			continue
		}
		var n int
		n, err = r.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
	}
	if err == io.EOF { //nolint:errorlint // as io.ReadAll: an EOF that is wrapped is another error
		return b, nil
	}
	p.put(b)
	return nil, err
}

// grow returns a larger buffer with the data of b, which it puts back.
func (p *bodies) grow(b *buffer) (*buffer, error) {
	larger, err := p.get(b.size + 1)
	if err != nil {
		return b, err
	}
	larger.data = append(larger.data, b.data...)
	p.put(b)
	return larger, nil
}

// get returns an empty buffer of smallBody << size bytes.
func (p *bodies) get(size int) (*buffer, error) {
	if size > 0 {
		if err := p.hold(smallBody << size); err != nil {
			return nil, err
		}
	}
	if size < bodySizes {
		if b, ok := p.pools[size].Get().(*buffer); ok {
			b.data = b.data[:0]
			return b, nil
		}
	}
	return &buffer{data: make([]byte, 0, smallBody<<size), size: size}, nil
}

func (p *bodies) put(b *buffer) {
	if b.size > 0 {
		p.release(smallBody << b.size)
	}
	if b.size < bodySizes {
		p.pools[b.size].Put(b)
	}
}

// hold counts n bytes, or says that there is no room for them.
func (p *bodies) hold(n int64) error {
	if n > 0 && p.held.Add(n) > p.most {
		p.held.Add(-n)
		return errCrowded
	}
	return nil
}

func (p *bodies) release(n int64) { p.held.Add(-n) }
