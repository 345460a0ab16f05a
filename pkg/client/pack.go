package client

import (
	"bytes"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// worthIt is how long a body is, in bytes, before compression pays: below, headers
// and the round trip are most of the cost.
const worthIt = 2 << 10

// packer makes the bodies of requests, one at a time.
type packer struct {
	plain  []byte
	packed bytes.Buffer
	zstd   *zstd.Encoder
	gzip   *gzip.Writer
}

func (q *Queue) packer() *packer {
	if p, ok := q.packers.Get().(*packer); ok {
		return p
	}
	return &packer{}
}

// request returns the request of a batch, whose body is valid until the next call
// with the same packer.
func (q *Queue) request(p *packer, batch []*entry) request {
	p.plain = p.plain[:0]
	for i, e := range batch {
		if i > 0 {
			p.plain = append(p.plain, '\n')
		}
		p.plain = append(p.plain, e.encoded...)
	}
	r := request{url: q.client.batch, media: eventapi.NDJSON, body: p.plain}
	q.mu.Lock()
	plain := q.plain
	q.mu.Unlock()
	if plain || len(p.plain) < worthIt {
		return r
	}
	p.packed.Reset()
	pack := p.zstandard
	r.encoding = "zstd"
	if q.config.Compression == Gzip {
		pack = p.gzipped
		r.encoding = "gzip"
	}
	if err := pack(); err != nil { // it writes into memory; were there a cause, plain is never wrong
		r.encoding = ""
		return r
	}
	r.body = p.packed.Bytes()
	return r
}

func (p *packer) zstandard() (err error) {
	if p.zstd == nil {
		p.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return err
		}
	}
	p.packed.Write(p.zstd.EncodeAll(p.plain, p.packed.AvailableBuffer()))
	return nil
}

func (p *packer) gzipped() (err error) {
	if p.gzip == nil {
		if p.gzip, err = gzip.NewWriterLevel(&p.packed, gzip.BestSpeed); err != nil {
			return err
		}
	}
	p.gzip.Reset(&p.packed)
	if _, err := p.gzip.Write(p.plain); err != nil {
		return err
	}
	return p.gzip.Close()
}
