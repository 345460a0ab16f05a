package ingestion

import (
	"fmt"
	"io"
	"net/netip"
	"sync"
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
	most  int64 // bytes of those that are counted
	pools [bodySizes]sync.Pool

	mu   sync.Mutex
	held int64 // bytes, up to most
	by   map[party]int64
}

// party is who bodies come from: of one game's public key too each client is one.
type party struct {
	key    string
	client netip.Addr
}

// buffer holds a body, or as much of it as has come.
type buffer struct {
	from party
	data []byte
	size int // its capacity is smallBody << size
}

// fill reads r to its end, into a buffer for the caller to put back. Its error is the
// reader's, or errCrowded.
func (p *bodies) fill(from party, r io.Reader) (*buffer, error) {
	b, err := p.get(from, 0)
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
	larger, err := p.get(b.from, b.size+1)
	if err != nil {
		return b, err
	}
	larger.data = append(larger.data, b.data...)
	p.put(b)
	return larger, nil
}

// get returns an empty buffer of smallBody << size bytes.
func (p *bodies) get(from party, size int) (*buffer, error) {
	if size > 0 {
		if err := p.hold(from, smallBody<<size); err != nil {
			return nil, err
		}
	}
	if size < bodySizes {
		if b, ok := p.pools[size].Get().(*buffer); ok {
			b.from, b.data = from, b.data[:0]
			return b, nil
		}
	}
	return &buffer{from: from, data: make([]byte, 0, smallBody<<size), size: size}, nil
}

func (p *bodies) put(b *buffer) {
	if b.size > 0 {
		p.release(b.from, smallBody<<b.size)
	}
	if b.size < bodySizes {
		p.pools[b.size].Put(b)
	}
}

// hold counts n bytes of a party, or says that there is no room for them. Each may hold
// as much as is left for all others: one alone half of all, two a third each. Who comes
// next always finds some room, however many there are that send much and do not end.
func (p *bodies) hold(from party, n int64) error {
	if n == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by[from]+n > p.most-p.held {
		return errCrowded
	}
	if p.by == nil {
		p.by = map[party]int64{}
	}
	p.by[from] += n
	p.held += n
	return nil
}

func (p *bodies) release(from party, n int64) {
	if n == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held -= n
	if p.by[from] -= n; p.by[from] == 0 {
		delete(p.by, from)
	}
}

// total is how many bytes are held.
func (p *bodies) total() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}
