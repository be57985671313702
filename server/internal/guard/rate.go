package guard

import (
	"errors"
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is a token bucket: so many a second in the long run, so many at once.
type Rate struct {
	PerSecond float64 // 0: no limit
	Burst     int
}

// The limits of a Rate, far above what a server could take.
const (
	maxRate  = 1e9
	maxBurst = 1_000_000_000
)

// The shape of a limiter.
const (
	shards        = 16  // each with a lock of its own
	sharedBuckets = 256 // of a shard
)

// limiter keeps a token bucket for each key, in bounded memory whatever comes.
//
// A bucket is given to another key only once it has filled up again: so nobody
// gets a fresh one by having others pushed out. While all buckets of a shard
// are in use, keys that have none share some, chosen by a hash that they cannot
// foresee; a key that sends too much then hurts few others, and still does not
// get through.
type limiter[K comparable] struct {
	seed     maphash.Seed
	now      func() time.Time
	refill   time.Duration // after it an unused bucket is full
	settings Rate
	shards   [shards]shard[K]
}

type shard[K comparable] struct {
	mu     sync.Mutex
	max    int
	index  map[K]int32
	slots  []slot[K]
	newest int32 // the ends of the list by last use; -1: empty
	oldest int32
	shared []*rate.Limiter // made when first needed
}

type slot[K comparable] struct {
	key          K
	bucket       rate.Limiter
	used         time.Time
	newer, older int32 // -1: none
}

// newLimiter returns nil where there is no limit.
func newLimiter[K comparable](rateSetting, burstSetting string, r Rate, maxKeys int, now func() time.Time) (*limiter[K], error) {
	switch {
	case r.PerSecond == 0:
		return nil, nil //nolint:nilnil // a nil limiter lets everything through
	case !(r.PerSecond > 0 && r.PerSecond <= maxRate):
		return nil, &ConfigError{rateSetting, errors.New("this is no rate"), "give a number a second, or 0 for no limit"}
	case r.Burst > maxBurst:
		return nil, &ConfigError{burstSetting, errors.New("this is no limit"), "give less, or a rate of 0 for no limit"}
	case r.Burst < 1:
		return nil, &ConfigError{burstSetting, errors.New("nothing could ever come in"), "give at least 1; four times the rate is a good start"}
	}
	l := &limiter[K]{seed: maphash.MakeSeed(), now: now, settings: r, refill: refillTime(r)}
	for i := range l.shards {
		l.shards[i] = shard[K]{max: (maxKeys + shards - 1) / shards, index: map[K]int32{}, newest: -1, oldest: -1}
	}
	return l, nil
}

func refillTime(r Rate) time.Duration {
	ns := float64(r.Burst) / r.PerSecond * float64(time.Second)
	return time.Duration(min(math.Ceil(ns), math.MaxInt64/2))
}

// allow takes a token from the key's bucket, if there is one.
func (l *limiter[K]) allow(key K) bool {
	if l == nil {
		return true
	}
	hash := maphash.Comparable(l.seed, key)
	s := &l.shards[hash%shards]
	now := l.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bucket(l, key, hash/shards, now).AllowN(now, 1)
}

// bucket finds the key's bucket, or gives it one.
func (s *shard[K]) bucket(l *limiter[K], key K, hash uint64, now time.Time) *rate.Limiter {
	i, found := s.index[key]
	switch {
	case found:
		s.unlink(i)
	case len(s.slots) < s.max:
		i = int32(len(s.slots)) //nolint:gosec // below s.max
		s.slots = append(s.slots, slot[K]{})
		s.take(l, i, key)
	case now.Sub(s.slots[s.oldest].used) >= l.refill:
		i = s.oldest
		s.unlink(i)
		delete(s.index, s.slots[i].key)
		s.take(l, i, key)
	default:
		if s.shared == nil {
			s.shared = make([]*rate.Limiter, sharedBuckets)
		}
		b := &s.shared[hash%sharedBuckets]
		if *b == nil {
			*b = rate.NewLimiter(rate.Limit(l.settings.PerSecond), l.settings.Burst)
		}
		return *b
	}
	s.slots[i].used = now
	s.link(i)
	return &s.slots[i].bucket
}

// take gives slot i to a key, with a full bucket.
func (s *shard[K]) take(l *limiter[K], i int32, key K) {
	s.index[key] = i
	s.slots[i].key = key
	s.slots[i].bucket = *rate.NewLimiter(rate.Limit(l.settings.PerSecond), l.settings.Burst)
}

// link puts slot i at the list's newest end.
func (s *shard[K]) link(i int32) {
	s.slots[i].newer, s.slots[i].older = -1, s.newest
	if s.newest >= 0 {
		s.slots[s.newest].newer = i
	} else {
		s.oldest = i
	}
	s.newest = i
}

func (s *shard[K]) unlink(i int32) {
	newer, older := s.slots[i].newer, s.slots[i].older
	if newer >= 0 {
		s.slots[newer].older = older
	} else {
		s.newest = older
	}
	if older >= 0 {
		s.slots[older].newer = newer
	} else {
		s.oldest = newer
	}
}

// len returns how many keys have a bucket of their own.
func (l *limiter[K]) len() int {
	if l == nil {
		return 0
	}
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += len(s.index)
		s.mu.Unlock()
	}
	return n
}

// addressKey is what an address is limited by: one subscriber has an IPv6 /64
// and all the addresses in it.
func addressKey(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
