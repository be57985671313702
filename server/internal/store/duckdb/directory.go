package duckdb

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/FastFilter/xorfilter"
	"github.com/cespare/xxhash/v2"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Ids are random, so an index on them would be as large as the ids, all of it hot, and
// a commit would pay for it in each of its rows. Instead a directory says in which stretches of
// rows a key may stand: a filter for each run of rows, and a Bloom filter for each group of runs. A look-up
// probes the filter of each group, then those of the runs in the groups that match, and the table is read in
// the runs that match alone. Filters of runs and groups that are full never change; they are stored, the ones of a
// group in a table (put_group.sql), and only the open ones are made anew from the rows when the file is opened. A closed run has a binary fuse
// filter, which takes one key in 65,536 for there falsely: a group that holds a key has all its runs probed.
//
// The last few runs, those that are in memory too (see recent.go), are not covered by their group's filter yet but probed one by
// one: nearly every key that is looked for stands in one of them, and whoever asks for what stands before them is spared
// the runs of the whole group.

// The sizes of the directory's parts.
const (
	runKeys      = 1 << 16 // keys of a run, about 25,000 rows
	groupRuns    = 64
	openBits     = 32 // bits of the open run's filter for each of its keys; it stands alone, so that few may be taken for there falsely
	groupBits    = 10 // bits of a group's filter for each of its keys
	bitsPerProbe = 9  // to name a bit within a block
	probes       = 6
)

// keyKind says what a key names.
type keyKind uint64

const (
	keyRequest      keyKind = iota + 1 // a request's event id
	keyNavigation                      // the event ids of the other tables
	keyWebVital                        //
	keyError                           //
	keyAction                          //
	keySpan                            // a span: trace and span id
	keySpanTrace                       // the trace id of spans
	keyDtr                             // the span id that the dtr entry of a SERVER span names
	keyRequestTrace                    // a trace that a request carried or was answered with
	keyRequestSpan                     // the span id that a request carried
	keySession                         // a session's id
	keyPage                            // a page's id
	keyResponse                        // a response id with its URL
	keyShared                          // the key of an answer that an earlier row may have got too
	keyPageEvent                       // a page event's id; the kinds are part of the hashes that files hold, so that new ones come last
)

// key is a kind and an id of it as a number; hash makes filters' bits of it.
type key struct {
	kind   keyKind
	answer bool // what the answer of a request has of its own
	hi, lo uint64
}

// shared is the key under which the rows stand that may not be the first with this answer. Copies are rare, and who
// looks for them need not look at the rows of each answer.
func (k key) shared() key {
	return key{kind: keyShared, hi: k.hi ^ uint64(k.kind)<<56, lo: k.lo}
}

func idKey(kind keyKind, id uint64) key { return key{kind: kind, lo: id} }

func traceKey(kind keyKind, id [16]byte) key {
	return key{kind: kind, hi: binary.BigEndian.Uint64(id[:8]), lo: binary.BigEndian.Uint64(id[8:])}
}

func textKey(kind keyKind, text string) key {
	return key{kind: kind, hi: xxhash.Sum64String(text), lo: uint64(len(text))}
}

func spanKey(trace [16]byte, id uint64) key {
	k := traceKey(keySpan, trace)
	k.lo ^= bits.RotateLeft64(id, 32)
	return k
}

// answerTraceKey and responseKey are the keys of an answer: its trace, and its response id with the URL.
func answerTraceKey(id tracecontext.TraceID) key {
	k := traceKey(keyRequestTrace, id)
	k.answer = true
	return k
}

func responseKey(id int32, url string) key {
	return key{kind: keyResponse, answer: true, hi: xxhash.Sum64String(url), lo: uint64(uint32(id))} //nolint:gosec // its bits
}

// appendFrontendKeys, appendRequestKeys and appendSpanKeys append the keys of a row, the one of its id first. Both who writes a
// row and who reads it again when the file is opened have them from here.
func appendFrontendKeys(keys []key, kind keyKind, id model.EventID, session, page string) []key {
	keys = append(keys, idKey(kind, number(id)))
	if session != "" {
		keys = append(keys, textKey(keySession, session))
	}
	if page != "" {
		keys = append(keys, textKey(keyPage, page))
	}
	return keys
}

func appendRequestKeys(keys []key, sent model.SpanContext, answer tracecontext.TraceID, response *int32, url string) []key {
	if !sent.TraceID.IsZero() && sent.TraceID != answer {
		keys = append(keys, traceKey(keyRequestTrace, sent.TraceID))
	}
	if !answer.IsZero() {
		keys = append(keys, answerTraceKey(answer))
	}
	if !sent.SpanID.IsZero() {
		keys = append(keys, idKey(keyRequestSpan, number(sent.SpanID)))
	}
	if response != nil {
		keys = append(keys, responseKey(*response, url))
	}
	return keys
}

func appendSpanKeys(keys []key, trace tracecontext.TraceID, id, named tracecontext.SpanID) []key {
	keys = append(keys, spanKey(trace, number(id)), traceKey(keySpanTrace, trace))
	if !named.IsZero() {
		keys = append(keys, idKey(keyDtr, number(named)))
	}
	return keys
}

// directory is the directory in memory. Its methods may be called from many
// goroutines; only the writer adds.
type directory struct {
	seed [2]uint64 // so that nobody can choose ids that collide

	mu     sync.RWMutex
	groups []*group // in the order of their rows; the last is open
}

// group is some runs that follow each other, and a filter of their keys.
type group struct {
	filter  []block // of the runs that are covered
	runs    []*run  // in order; the last of the last group is open
	covered int     // how many of the first runs the filter covers
}

// runsOf returns the runs of a group that must be probed for a key.
func (g *group) runsOf(h uint64) []*run {
	if g.covered > 0 && has(g.filter, h) {
		return g.runs
	}
	return g.runs[g.covered:]
}

// run is a stretch of rows.
type run struct {
	seqRange
	open   []block                       // its Bloom filter until it is covered
	hashes []uint64                      // until it is covered
	most   int                           // of hashes, before those that stand there twice are taken out; 0: 4*runKeys
	closed *xorfilter.BinaryFuse[uint16] // nil while it takes keys
}

// has reports whether a key may stand in the run. The Bloom filter says no at the price of one cache line, of three the other one.
func (r *run) has(h uint64) bool {
	if r.open != nil && !has(r.open, h) {
		return false
	}
	return r.closed == nil || r.closed.Contains(h)
}

// add adds a key; some come twice.
func (r *run) add(h uint64) {
	set(r.open, h)
	if len(r.hashes) >= max(r.most, 4*runKeys) { // of commits that failed and were tried again, or of a very large batch
		r.hashes = distinct(r.hashes)
		r.most = 2 * len(r.hashes)
	}
	r.hashes = append(r.hashes, h)
}

func distinct(hashes []uint64) []uint64 {
	slices.Sort(hashes)
	return slices.Compact(hashes)
}

// build makes the filter of a run that is to be closed.
func (r *run) build() (*xorfilter.BinaryFuse[uint16], error) {
	return xorfilter.NewBinaryFuse[uint16](distinct(slices.Clone(r.hashes)))
}

// seqRange is the rows from first to last; none where last is less.
type seqRange struct{ first, last uint64 }

// block is the part of a filter that holds all bits of a key: one cache line.
type block [8]uint64

func (d *directory) openGroup(firstSeq uint64) {
	d.groups = append(d.groups, &group{filter: newFilter(runKeys * groupRuns * groupBits)})
	d.openRun(firstSeq)
}

func (d *directory) openRun(firstSeq uint64) {
	g := d.groups[len(d.groups)-1]
	g.runs = append(g.runs, &run{seqRange: seqRange{firstSeq, 0}, open: newFilter(runKeys * openBits)})
}

// open returns the group and the run that take new keys.
func (d *directory) open() (*group, *run) {
	g := d.groups[len(d.groups)-1]
	return g, g.runs[len(g.runs)-1]
}

// admit adds the keys of rows that get seqs up to last, and returns the ids of those that may stand there already.
func (d *directory) admit(all []row, last uint64) (suspects []rowID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, r := d.open()
	for _, one := range all {
		if len(one.keys) > 0 && d.mayHold(d.hash(one.keys[0])) {
			suspects = append(suspects, one.id)
		}
		d.add(r, one.keys)
	}
	r.last = max(r.last, last)
	return suspects
}

// add adds the keys of a row to the open run.
func (d *directory) add(r *run, keys []key) {
	for _, k := range keys {
		h := d.hash(k)
		if k.answer && d.mayHold(h) {
			r.add(d.hash(k.shared()))
		}
		r.add(h)
	}
}

// mayHold reports whether some run may hold a key; the newest are looked at first.
func (d *directory) mayHold(h uint64) bool {
	for _, g := range slices.Backward(d.groups) {
		for _, r := range slices.Backward(g.runsOf(h)) {
			if r.has(h) {
				return true
			}
		}
	}
	return false
}

// isShared reports whether there may be a row with an answer's key that is not the first of them.
func (d *directory) isShared(k key) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.mayHold(d.hash(k.shared()))
}

// full returns the open run where it is to be closed, else nil, and the open group where that is to be closed with it.
func (d *directory) full() (*run, *group) {
	g, r := d.open()
	switch {
	case len(r.hashes) < runKeys:
		return nil, nil
	case len(g.runs) < groupRuns:
		return r, nil
	default:
		return r, g
	}
}

// turn closes the open run with its filter and opens a new one, and a new group where the old one is full. It
// returns the first row of the new run.
func (d *directory) turn(closed *xorfilter.BinaryFuse[uint16]) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, r := d.open()
	r.closed = closed
	first := r.last + 1
	if len(g.runs) < groupRuns {
		g.cover(len(g.runs) - (keptGenerations - 1))
		d.openRun(first)
	} else {
		g.cover(len(g.runs))
		d.openGroup(first)
	}
	return first
}

// cover adds the keys of the runs before a place to the group's filter.
func (g *group) cover(before int) {
	for ; g.covered < before; g.covered++ {
		r := g.runs[g.covered]
		g.take(r)
		r.open, r.hashes = nil, nil
	}
}

// take adds the keys of a run to the group's filter.
func (g *group) take(r *run) {
	for _, h := range r.hashes {
		set(g.filter, h)
	}
}

// complete returns the open group's filter with the keys of all its runs, as it is once the group is closed.
func (d *directory) complete(g *group) []block {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range g.runs[g.covered:] {
		g.take(r)
	}
	return g.filter
}

// find returns the stretches of rows, in order, in which one of the keys may stand.
func (d *directory) find(keys ...key) []seqRange { return d.findBefore(math.MaxUint64, keys...) }

// findBefore does so for the rows before a seq.
func (d *directory) findBefore(seq uint64, keys ...key) []seqRange {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var found []seqRange
	for _, k := range keys {
		h := d.hash(k)
		for _, g := range d.groups {
			if g.runs[0].first >= seq {
				break
			}
			for _, r := range g.runsOf(h) {
				if r.first < seq && r.has(h) {
					found = append(found, seqRange{r.first, min(r.last, seq-1)})
				}
			}
		}
	}
	return merged(found)
}

// forget drops the groups that end before a row, and returns the first row of each and the last row of all.
func (d *directory) forget(before uint64) (firsts []uint64, last uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.groups) > 1 {
		g := d.groups[0]
		end := lastOf(g.runs)
		if end >= before {
			break
		}
		firsts, last = append(firsts, g.runs[0].first), end
		d.groups = d.groups[1:]
	}
	return firsts, last
}

// last returns the last row of the open run or of the last closed one.
func (d *directory) last() uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	_, r := d.open()
	return max(r.last, r.first-1)
}

// bytes returns the memory that the filters take.
func (d *directory) bytes() (n int64) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, g := range d.groups {
		n += int64(len(g.filter)) * int64(len(block{})*8)
		for _, r := range g.runs {
			n += int64(len(r.open))*int64(len(block{})*8) + int64(cap(r.hashes))*8
			if r.closed != nil {
				n += int64(len(r.closed.Fingerprints)) * 2
			}
		}
	}
	return n
}

func lastOf(runs []*run) uint64 { return runs[len(runs)-1].last }

// merged sorts ranges and joins those that touch.
func merged(all []seqRange) []seqRange {
	if len(all) < 2 {
		return all
	}
	slices.SortFunc(all, func(a, b seqRange) int {
		if a.first < b.first {
			return -1
		}
		if a.first > b.first {
			return 1
		}
		return 0
	})
	out := all[:1]
	for _, r := range all[1:] {
		if last := &out[len(out)-1]; r.first <= last.last+1 {
			last.last = max(last.last, r.last)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// hash folds a key to 64 bits by two wide multiplications with the seed, as wyhash does.
func (d *directory) hash(k key) uint64 {
	const a, b = 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03
	h, l := bits.Mul64(k.hi^d.seed[0]^a, k.lo^d.seed[1])
	h, l = bits.Mul64(h^l^uint64(k.kind)*b, d.seed[0]^k.lo^b)
	return h ^ l
}

func newFilter(bits int) []block { return make([]block, bits/(64*len(block{}))) }

// set sets the bits of a hash.
func set(filter []block, h uint64) {
	b, at := locate(filter, h)
	for range probes {
		b[at>>6&7] |= 1 << (at & 63)
		at >>= bitsPerProbe
	}
}

func has(filter []block, h uint64) bool {
	b, at := locate(filter, h)
	for range probes {
		if b[at>>6&7]&(1<<(at&63)) == 0 {
			return false
		}
		at >>= bitsPerProbe
	}
	return true
}

// locate returns the block of a hash, and the bits to set in it, 9 for each probe.
func locate(filter []block, h uint64) (*block, uint64) {
	i, rest := bits.Mul64(h, uint64(len(filter)))
	return &filter[i], rest * 0x9e3779b97f4a7c15 >> 10
}

// encodeFilter and decodeFilter are the form of a filter in the file: its words, little endian.
func encodeFilter(filter []block) []byte {
	out := make([]byte, 0, len(filter)*64)
	for i := range filter {
		for _, w := range filter[i] {
			out = binary.LittleEndian.AppendUint64(out, w)
		}
	}
	return out
}

func decodeFilter(b []byte, blocks int) ([]block, error) {
	if len(b) != blocks*64 {
		return nil, fmt.Errorf("a filter of %d bytes, and %d are due", len(b), blocks*64)
	}
	filter := make([]block, blocks)
	for i := range filter {
		for j := range filter[i] {
			filter[i][j] = binary.LittleEndian.Uint64(b[i*64+j*8:])
		}
	}
	return filter, nil
}

// encodeRun and decodeRun are the form of a closed run's filter in the file: its fields, then its fingerprints, little
// endian.
func encodeRun(f *xorfilter.BinaryFuse[uint16]) []byte {
	out := make([]byte, 0, 24+2*len(f.Fingerprints))
	out = binary.LittleEndian.AppendUint64(out, f.Seed)
	for _, n := range []uint32{f.SegmentLength, f.SegmentLengthMask, f.SegmentCount, f.SegmentCountLength} {
		out = binary.LittleEndian.AppendUint32(out, n)
	}
	for _, p := range f.Fingerprints {
		out = binary.LittleEndian.AppendUint16(out, p)
	}
	return out
}

func decodeRun(b []byte) (*xorfilter.BinaryFuse[uint16], error) {
	if len(b) < 24 || len(b)%2 != 0 {
		return nil, fmt.Errorf("a run's filter of %d bytes", len(b))
	}
	f := &xorfilter.BinaryFuse[uint16]{Seed: binary.LittleEndian.Uint64(b)}
	for i, n := range []*uint32{&f.SegmentLength, &f.SegmentLengthMask, &f.SegmentCount, &f.SegmentCountLength} {
		*n = binary.LittleEndian.Uint32(b[8+4*i:])
	}
	f.Fingerprints = make([]uint16, (len(b)-24)/2)
	for i := range f.Fingerprints {
		f.Fingerprints[i] = binary.LittleEndian.Uint16(b[24+2*i:])
	}
	if uint64(f.SegmentCountLength)+2*uint64(f.SegmentLength) > uint64(len(f.Fingerprints)) || f.SegmentLengthMask >= f.SegmentLength {
		return nil, fmt.Errorf("a run's filter of %d fingerprints, and its segments need %d", len(f.Fingerprints), uint64(f.SegmentCountLength)+2*uint64(f.SegmentLength))
	}
	return f, nil
}
