package duckdb

import (
	"hash/maphash"
	"math/bits"
	"slices"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Ids are random, so an index on them would be as large as the ids, all of it
// hot, and a commit would pay for it in each of its rows. Instead the
// writer keeps a Bloom filter of the ids of each table: most new ids are known
// to be new without a look at the table, and the few that are not, true
// repeats above all, are looked up by a scan of the id column.

// rowKey is the identity of a row within its table; trace is zero but for spans.
type rowKey struct {
	trace tracecontext.TraceID
	id    uint64
}

// idFilter is a Bloom filter that grows. It never denies an id that was added,
// and takes about 1 in 1,000 others for added. Its hash is seeded, so that nobody can
// choose ids that collide. Not for concurrent use.
type idFilter struct {
	seed   maphash.Seed
	layers [][]block // each twice as long as the one before
	room   int       // ids that the last layer may still take
}

// block is the part of a layer that holds all bits of an id: one cache line.
type block [8]uint64

const (
	firstLayer  = 1 << 10 // blocks
	idsPerBlock = 32      // 16 bits an id
	bitsPerID   = 6
)

func newIDFilter() *idFilter { return &idFilter{seed: maphash.MakeSeed()} }

// add adds an id and reports whether it may have been there before.
func (f *idFilter) add(k rowKey) bool {
	h := maphash.Comparable(f.seed, k)
	if f.contains(h) {
		return true
	}
	if f.room == 0 {
		n := firstLayer << len(f.layers)
		f.layers = append(f.layers, make([]block, n))
		f.room = n * idsPerBlock
	}
	f.room--
	b, set := locate(f.layers[len(f.layers)-1], h)
	for range bitsPerID {
		b[set>>6&7] |= 1 << (set & 63)
		set >>= 9
	}
	return false
}

func (f *idFilter) contains(h uint64) bool {
	for _, layer := range slices.Backward(f.layers) { // the newest is the largest
		if layerContains(layer, h) {
			return true
		}
	}
	return false
}

func layerContains(layer []block, h uint64) bool {
	b, set := locate(layer, h)
	for range bitsPerID {
		if b[set>>6&7]&(1<<(set&63)) == 0 {
			return false
		}
		set >>= 9
	}
	return true
}

// locate returns the block of a hash, and the bits to set in it, 9 for each
// position.
func locate(layer []block, h uint64) (*block, uint64) {
	i, rest := bits.Mul64(h, uint64(len(layer)))
	return &layer[i], rest * 0x9e3779b97f4a7c15 >> 10
}
