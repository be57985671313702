package urlpattern

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestWhatVariesByItsLooks(t *testing.T) {
	for path, want := range map[string]string{
		"":                        "/",
		"/":                       "/",
		"/cart":                   "/cart",
		"/Cart/":                  "/Cart/",
		"/cart/4711":              "/cart/{id}",
		"/cart/4711/items/7":      "/cart/{id}/items/{id}",
		"/api/v1/users":           "/api/v1/users",
		"/api/v2.1/users":         "/api/v2.1/users",
		"/cart/4711?a=1#top":      "/cart/{id}",
		"/cart;jsessionid=1A2B/x": "/cart/x",
		"//double//slash":         "//double//slash",
		"/o/123e4567-e89b-12d3-a456-426614174000":              "/o/{uuid}",
		"/o/user-123E4567-e89b-12d3-a456-426614174000":         "/o/user-{uuid}",
		"/commit/9f54df9a1c":                                   "/commit/{hash}",
		"/commit/9f54df9a1c2b3d4e5f60718293a4b5c6d7e8f901":     "/commit/{hash}",
		"/decade/facade":                                       "/decade/facade",
		"/cafebabe":                                            "/cafebabe",
		"/2026-04-27/news":                                     "/{date}/news",
		"/archive/2026-04":                                     "/archive/{date}",
		"/archive/20260427":                                    "/archive/{date}",
		"/archive/20269999":                                    "/archive/{id}",
		"/order-48213":                                         "/order-{id}",
		"/c_48213/edit":                                        "/c_{id}/edit",
		"/top-10-tips":                                         "/top-10-tips",
		"/how-to-build-a-house-in-5-days":                      "/how-to-build-a-house-in-5-days",
		"/watch/dQw4w9WgXcQ":                                   "/watch/{token}",
		"/s/01ARZ3NDEKTSV4RRFFQ69G5FAV":                        "/s/{token}",
		"/t/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl": "/t/{token}",
		"/u/jane.doe@shop.example":                             "/u/{email}",
		"/u/jane%40shop.example/orders":                        "/u/{email}/orders",
		"/caf%C3%A9/men%C3%BC":                                 "/caf%C3%A9/men%C3%BC",
		"/assets/app.3f9a1c.js":                                "/assets/app.{hash}.js",
		"/assets/app.3f9a1c.js.map":                            "/assets/app.{hash}.js.map",
		"/assets/index-BfFkgzJx.js":                            "/assets/index-{hash}.js",
		"/assets/index-B3x_9kLm.css":                           "/assets/index-{hash}.css",
		"/_next/static/chunks/main-9f54df9a1c2b.js":            "/_next/static/chunks/main-{hash}.js",
		"/img/logo.svg":                                        "/img/logo.svg",
		"/img/photo-20394.jpg":                                 "/img/photo-{id}.jpg",
		"/fonts/inter-latin-400.woff2":                         "/fonts/inter-latin-{id}.woff2",
		"/jquery-3.7.1.min.js":                                 "/jquery-3.7.1.min.js",
		"/" + strings.Repeat("a", 200):                         "/{token}",
		strings.Repeat("/a", 20):                               strings.Repeat("/a", maxSegments) + "/{other}",
		strings.Repeat("/"+strings.Repeat("a", 90), 15):        strings.Repeat("/"+strings.Repeat("a", 90), 5) + "/{other}",
	} {
		if got := new(Learner).Pattern("https://shop.example" + path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, url := range []string{"", "/cart", "data:text/plain,1", "blob:https://shop.example/1", "ftp://shop.example/1", "https:/x"} {
		if got := new(Learner).Pattern(url); got != "" {
			t.Errorf("%q: %q, want none", url, got)
		}
	}
}

func TestNamesAreLearned(t *testing.T) {
	var l Learner
	for range hot {
		l.Pattern("https://shop.example/products/sale")
	}
	for i := range 100 {
		got := l.Pattern(fmt.Sprintf("https://shop.example/products/%s/reviews", word(i)))
		want := "/products/" + word(i) + "/reviews"
		if i >= 40 {
			want = "/products/{name}/reviews"
		}
		if got != want {
			t.Errorf("the name %d is %s, want %s", i, got, want)
		}
	}
	for url, want := range map[string]string{
		"https://shop.example/products/" + word(3): "/products/{name}",
		"https://shop.example/products/sale":       "/products/sale",
		"https://shop.example/products/12":         "/products/{id}",
		"https://shop.example/products/{name}":     "/products/{name}",
		"https://shop.example/about":               "/about",
		"https://other.example/products/new":       "/products/new",
	} {
		if got := l.Pattern(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

// word returns a text of letters only, another for each number.
func word(i int) string {
	return strings.Map(func(r rune) rune { return r - '0' + 'g' }, strconv.Itoa(i)) + "-shoe"
}

func TestLimitsOfHosts(t *testing.T) {
	l := Learner{Limits: Limits{Hosts: 2, Nodes: 3, Total: 5}}
	for _, step := range []struct{ url, want string }{
		{"https://a.example/a/b", "/a/b"},
		{"https://a.example/a/c", "/a/c"},
		{"https://a.example/d", "/{other}"}, // its fourth place
		{"https://a.example/a/d/e", "/a/{other}"},
		{"https://a.example/a/b", "/a/b"},
		{"https://b.example/a/b", "/a/b"}, // the fifth place in all
		{"https://b.example/a/c", "/a/c"}, // a.example is forgotten
		{"https://a.example/d", "/d"},
		{"https://c.example/x", "/x"},
		{"https://d.example/x", "/x"},
	} {
		if got := l.Pattern(step.url); got != step.want {
			t.Errorf("%s: %s, want %s", step.url, got, step.want)
		}
	}
	if got, want := l.Stats(), (Stats{Others: 2, Forgotten: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(l.hosts) != 2 || l.nodes != 2 {
		t.Errorf("%d hosts with %d places are held, want two and two", len(l.hosts), l.nodes)
	}
}

// hostile returns the URL number i of a sender that wants to fill the memory.
func hostile(i int) string {
	x := uint32(i) * 2654435761
	return fmt.Sprintf("https://h%s.example/%s/%s/%s/%s", word(i%3000), word(int(x>>7)), word(i), word(int(x)), word(i%17))
}

func TestMemoryIsBounded(t *testing.T) {
	var l Learner
	before := heap()
	for i := range 1_000_000 {
		l.Pattern(hostile(i))
	}
	if got := heap() - before; got > 64<<20 {
		t.Errorf("a million URLs take %d MiB", got>>20)
	}
	if l.nodes > 65_536 || len(l.hosts) > 1000 || len(l.shared) > maxShared {
		t.Errorf("%d places of %d hosts, %d patterns", l.nodes, len(l.hosts), len(l.shared))
	}
	used := 0
	for _, h := range l.hosts {
		used += h.used
		if len(h.children) != h.used || len(h.nodes) != h.used+len(h.free)+1 {
			t.Fatalf("%d places, %d of them named, %d free of %d", h.used, len(h.children), len(h.free), len(h.nodes))
		}
	}
	if used != l.nodes {
		t.Errorf("%d places are counted, %d are there", l.nodes, used)
	}
	runtime.KeepAlive(&l)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestSameOrderSamePatterns(t *testing.T) {
	var a, b Learner
	for i := range 50_000 {
		if x, y := a.Pattern(hostile(i)), b.Pattern(hostile(i)); x != y {
			t.Fatalf("URL %d: %s and %s", i, x, y)
		}
	}
}

func TestKnownPatternsCostNoMemory(t *testing.T) {
	var l Learner
	url := "https://shop.example/api/cart/4711/items/17?x=1"
	l.Pattern(url)
	if n := testing.AllocsPerRun(100, func() { l.Pattern(url) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPattern(f *testing.F) {
	seeds := []string{"https://shop.example/cart/4711", "http://h/%/;/{name}/@.", "https://h/" + strings.Repeat("/eyJ..", 30), "https://h/a-0000000-0.A0a0.map"}
	if len(seeds) < 4 {
		f.Fatal("the fuzz target has lost its seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	l := Learner{Limits: Limits{Names: 3, Hosts: 5, Nodes: 20, Total: 50}}
	f.Fuzz(func(t *testing.T, url string) {
		got := l.Pattern(url)
		if len(got) > maxPattern+maxSegment || got != "" && got[0] != '/' || strings.ContainsAny(got, "?#") {
			t.Errorf("%q", got)
		}
		if l.nodes > 50 || l.nodes < 0 || len(l.hosts) > 5 {
			t.Errorf("%d places of %d hosts", l.nodes, len(l.hosts))
		}
	})
}

func BenchmarkPattern(b *testing.B) {
	urls := make([]string, 1<<16)
	for name, url := range map[string]func(int) string{
		"typical": func(i int) string { return fmt.Sprintf("https://shop.example/api/v1/cart/%d/items/%d?utm=1", i, i%7) },
		"static": func(i int) string {
			return fmt.Sprintf("https://cdn.example/assets/chunk-%d.3f9a1c%02x.js", i%10, i%256)
		},
		"distinct": func(i int) string {
			return fmt.Sprintf("https://shop.example/%s/%s/%s", word(i%50), word(i*7919), word(i))
		},
		"hostile": hostile,
	} {
		for i := range urls {
			urls[i] = url(i)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var l Learner
			for i := 0; b.Loop(); i++ {
				l.Pattern(urls[i%len(urls)])
			}
		})
	}
}
