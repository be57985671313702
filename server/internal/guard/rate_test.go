package guard

import (
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// fakeClock is a clock that only tests move.
type fakeClock struct{ time.Time }

func (c *fakeClock) now() time.Time          { return c.Time }
func (c *fakeClock) advance(d time.Duration) { c.Time = c.Add(d) }

func testLimiter(t testing.TB, r Rate, maxKeys int) (*limiter[netip.Addr], *fakeClock) {
	t.Helper()
	clock := &fakeClock{time.Unix(1_777_270_045, 0)}
	l, err := newLimiter[netip.Addr]("rate", "burst", r, maxKeys, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	return l, clock
}

// stranger returns the nth of many addresses.
func stranger(n int) netip.Addr {
	var b [16]byte
	b[0], b[1] = 0x20, 0x01
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	return addressKey(netip.AddrFrom16(b))
}

func count(l *limiter[netip.Addr], key netip.Addr, tries int) (n int) {
	for range tries {
		if l.allow(key) {
			n++
		}
	}
	return n
}

func TestBucketsEmptyAndFill(t *testing.T) {
	l, clock := testLimiter(t, Rate{PerSecond: 50, Burst: 200}, 1000)
	key := netip.MustParseAddr("192.0.2.1")
	if n := count(l, key, 500); n != 200 {
		t.Errorf("%d came in at once, want 200", n)
	}
	clock.advance(time.Second)
	if n := count(l, key, 500); n != 50 {
		t.Errorf("%d came in after a second, want 50", n)
	}
	clock.advance(-time.Hour) // set back
	if n := count(l, key, 500); n != 0 {
		t.Errorf("%d came in when the clock was set back, want 0", n)
	}
}

// A million addresses in a minute take bounded memory, and give nobody a fresh
// bucket.
func TestAMillionAddressesInAMinute(t *testing.T) {
	const strangers = 1_000_000
	l, clock := testLimiter(t, Rate{PerSecond: 50, Burst: 200}, MaxAddresses)
	before := heap()
	greedy := netip.MustParseAddr("192.0.2.1")
	got, refused := 0, 0
	for n := range strangers {
		if n%100 == 0 { // the greedy one sends 167 a second
			if l.allow(greedy) {
				got++
			}
		}
		if !l.allow(stranger(n)) {
			refused++
		}
		clock.advance(time.Minute / strangers)
	}
	if most := 200 + 50*60; got > most {
		t.Errorf("the greedy address brought in %d beacons, want at most %d", got, most)
	}
	if refused > 0 {
		t.Errorf("%d of a million addresses that sent one beacon each were refused", refused)
	}
	if n := l.len(); n > MaxAddresses {
		t.Errorf("%d addresses are tracked, want at most %d", n, MaxAddresses)
	}
	const limit = 64 << 20
	if used := heap() - before; used > limit {
		t.Errorf("the buckets take %d MiB, want at most %d", used>>20, limit>>20)
	}
	runtime.KeepAlive(l)
}

// Where every bucket is in use, a newcomer is limited all the same, an old
// hand's bucket is not given away, and a calm newcomer gets in.
func TestFloodDoesNotResetBuckets(t *testing.T) {
	l, clock := testLimiter(t, Rate{PerSecond: 1, Burst: 10}, 1600)
	greedy := netip.MustParseAddr("192.0.2.1")
	if n := count(l, greedy, 100); n != 10 {
		t.Fatalf("%d came in at once, want 10", n)
	}
	for n := range 20_000 { // within half a second
		l.allow(stranger(n))
		clock.advance(25 * time.Microsecond)
	}
	if n := count(l, greedy, 100); n != 0 {
		t.Errorf("after the flood the greedy address brings in %d more, want 0", n)
	}
	if n := l.len(); n > 1600 {
		t.Errorf("%d addresses are tracked, want at most 1600", n)
	}
	if n := count(l, netip.MustParseAddr("192.0.2.99"), 100); n > 10 {
		t.Errorf("a newcomer brings in %d at once, want at most 10", n)
	}
	clock.advance(10 * time.Second) // all buckets are full again
	if n := count(l, netip.MustParseAddr("192.0.2.100"), 100); n != 10 {
		t.Errorf("after the flood a newcomer brings in %d, want 10", n)
	}
}

func TestOneSubscriberIsOneAddress(t *testing.T) {
	clock := &fakeClock{time.Unix(1_777_270_045, 0)}
	g, err := New(Config{AddressRate: Rate{PerSecond: 1, Burst: 5}, Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	let := func(addrs ...string) (n int) {
		for range 20 {
			for _, a := range addrs {
				r := httptest.NewRequest(http.MethodPost, "/beacon", http.NoBody)
				r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(a), 40000).String()
				if g.Sender(r) == nil {
					n++
				}
			}
		}
		return n
	}
	if n := let("2001:db8:1:2::1", "2001:db8:1:2:ffff::2"); n != 5 {
		t.Errorf("%d beacons of one IPv6 /64 came in at once, want 5", n)
	}
	if n := let("2001:db8:1:3::1", "192.0.2.1", "192.0.2.2"); n != 15 {
		t.Errorf("%d beacons of three subscribers came in at once, want 15", n)
	}
	if n := let("192.0.2.1", "::ffff:192.0.2.1"); n != 0 {
		t.Errorf("an IPv4 address in IPv6's notation brought in %d more", n)
	}
	if n := g.Addresses(); n != 4 {
		t.Errorf("%d addresses are tracked, want 4", n)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestAllowDoesNotAllocate(t *testing.T) {
	l, _ := testLimiter(t, Rate{PerSecond: 50, Burst: 200}, 1000)
	key := netip.MustParseAddr("192.0.2.1")
	if n := testing.AllocsPerRun(100, func() { l.allow(key) }); n != 0 {
		t.Errorf("allow allocates %v times", n)
	}
}

func BenchmarkLimiter(b *testing.B) {
	b.Run("known", func(b *testing.B) {
		l, _ := testLimiter(b, Rate{PerSecond: 50, Burst: 200}, MaxAddresses)
		key := netip.MustParseAddr("192.0.2.1")
		for b.Loop() {
			l.allow(key)
		}
	})
	b.Run("flood", func(b *testing.B) {
		l, clock := testLimiter(b, Rate{PerSecond: 50, Burst: 200}, MaxAddresses)
		n := 0
		for b.Loop() {
			l.allow(stranger(n))
			clock.advance(60 * time.Microsecond)
			n++
		}
	})
}
