// Package urlpattern turns URLs into patterns such as /cart/{id}, by what varies from
// its looks and by what is learned to vary. It is for the URLs of strangers: neither their
// number nor their form moves its memory beyond fixed limits.
package urlpattern

import (
	"strings"
)

// Limits of what is learned; a zero field has the default.
type Limits struct {
	Names int // different texts in one place before they become {name}; default 40
	Hosts int // hosts learned of, the most recently seen; default 1,000
	Nodes int // places learned within one host; default 4,096
	Total int // places learned in all; default 65,536
}

// The limits of one pattern.
const (
	maxSegments = 16  // what is deeper is {other}
	maxPattern  = 512 // bytes; what is longer ends in {other}
	// hot is how often a text was seen until it is one of the application's own names, which stays
	// when its neighbours become {name}.
	hot = 20
	// maxHot bounds them in one place.
	maxHot = 256
	// maxShared bounds the patterns that are shared by the URLs that have them.
	maxShared = 8192
)

// Learner finds patterns. The same URLs in the same order give the same patterns. It is for one
// goroutine; the zero value is ready for use.
type Learner struct {
	Limits Limits

	stats       Stats
	hosts       map[string]*host
	first, last *host // by when they were seen, the most recent first
	nodes       int
	shared      map[string]string
	buf         []byte
}

// Stats counts what the limits cost since the beginning.
type Stats struct {
	Others    int64 // patterns that hold {other}
	Forgotten int64 // hosts forgotten for others
}

// Stats returns the counts.
func (l *Learner) Stats() Stats { return l.stats }

// host is what is learned of one host: a tree of the segments of paths.
type host struct {
	name           string
	newer, older   *host
	children       map[place]int32 // into nodes
	nodes          []node
	free           []int32
	used, maxNodes int
}

// place is a text below a node.
type place struct {
	parent int32
	text   string
}

type node struct {
	place
	first, next int32 // child and sibling; 0 for none, since node 0 is the root
	seen        int32
	cold        int32 // children that are not hot
	many        bool  // the children are {name}, but for the hot ones
}

// Pattern returns the path of an http or https URL with what varies in it replaced, without
// query and fragment; empty for another URL.
func (l *Learner) Pattern(url string) string {
	name, path, ok := split(url)
	if !ok {
		return ""
	}
	if path == "" || path == "/" {
		return "/"
	}
	h := l.host(name)
	b, at := l.buf[:0], int32(0)
	for depth := 0; path != ""; depth++ { // path begins with a slash
		segment, rest := path[1:], ""
		if i := strings.IndexByte(segment, '/'); i >= 0 {
			segment, rest = segment[:i], segment[i:]
		}
		b = append(b, '/')
		if depth == maxSegments || len(b) > maxPattern-maxSegment {
			b = append(b, otherMask...)
			l.stats.Others++
			break
		}
		path = rest
		if i := strings.IndexByte(segment, ';'); i >= 0 { // parameters, such as ;jsessionid=
			segment = segment[:i]
		}
		if segment == "" {
			continue
		}
		start := len(b)
		var whole, text string
		b, whole = appendSegment(b, segment)
		if at, text = l.step(h, at, b[start:], whole); text != "" {
			b = append(b[:start], text...)
			if text == otherMask {
				l.stats.Others++
				break
			}
		}
	}
	l.buf = b
	return l.share(b)
}

// share returns b as a text that equal patterns have in common.
func (l *Learner) share(b []byte) string {
	if s, ok := l.shared[string(b)]; ok {
		return s
	}
	if l.shared == nil || len(l.shared) >= maxShared {
		l.shared = make(map[string]string)
	}
	s := string(b)
	l.shared[s] = s
	return s
}

// step goes from a node to the child for a text, and returns what stands for the text where
// that is not the text itself. A mask is never one of many names.
func (l *Learner) step(h *host, at int32, text []byte, mask string) (child int32, instead string) {
	if child, ok := h.children[place{at, string(text)}]; ok {
		n := &h.nodes[child]
		if n.seen < hot {
			if n.seen++; n.seen == hot && mask == "" {
				h.nodes[at].cold--
			}
		}
		return child, ""
	}
	if mask == "" {
		parent := &h.nodes[at]
		if !parent.many && int(parent.cold) >= orDefault(l.Limits.Names, 40) {
			l.collapse(h, at)
		}
		if h.nodes[at].many {
			if string(text) == nameMask { // as a URL may have it
				return at, otherMask
			}
			child, _ = l.step(h, at, []byte(nameMask), nameMask)
			if child == at {
				return at, otherMask
			}
			return child, nameMask
		}
	}
	if h.used >= h.maxNodes || l.nodes >= orDefault(l.Limits.Total, 65_536) && !l.evict(h) {
		return at, otherMask
	}
	child = l.add(h, at, string(text))
	if mask == "" {
		h.nodes[at].cold++
	}
	return child, ""
}

// add makes a node.
func (l *Learner) add(h *host, parent int32, text string) int32 {
	n := node{place: place{parent, text}, next: h.nodes[parent].first, seen: 1}
	var i int32
	if last := len(h.free) - 1; last >= 0 {
		i = h.free[last]
		h.free = h.free[:last]
		h.nodes[i] = n
	} else {
		i = int32(len(h.nodes)) //nolint:gosec // at most Limits.Nodes
		h.nodes = append(h.nodes, n)
	}
	h.nodes[parent].first = i
	h.children[n.place] = i
	h.used++
	l.nodes++
	return i
}

// collapse makes the children of a node into one {name}, but for those that were seen often,
// and those that are masks already.
func (l *Learner) collapse(h *host, at int32) {
	kept, keptHot := int32(0), 0
	for i := h.nodes[at].first; i != 0; {
		n := &h.nodes[i]
		next := n.next
		stays := n.seen >= hot && keptHot < maxHot
		if stays {
			keptHot++
		}
		if stays || isMask(n.text) {
			n.next, kept = kept, i
		} else {
			l.drop(h, i)
		}
		i = next
	}
	parent := &h.nodes[at]
	parent.first, parent.cold, parent.many = kept, 0, true
}

// drop removes a node and everything below it.
func (l *Learner) drop(h *host, at int32) {
	for i := h.nodes[at].first; i != 0; {
		next := h.nodes[i].next
		l.drop(h, i) // at most maxSegments deep
		i = next
	}
	delete(h.children, h.nodes[at].place)
	h.nodes[at] = node{}
	h.free = append(h.free, at)
	h.used--
	l.nodes--
}

func isMask(s string) bool {
	switch s {
	case idMask, uuidMask, hashMask, dateMask, emailMask, tokenMask, nameMask:
		return true
	default:
		return false
	}
}

// host returns what is learned of a host, and makes it the most recently seen.
func (l *Learner) host(name string) *host {
	h := l.hosts[name]
	if h == l.first && h != nil {
		return h
	}
	if h == nil {
		var old *host
		if len(l.hosts) >= orDefault(l.Limits.Hosts, 1000) {
			old = l.last
			l.forget(old)
		}
		if l.hosts == nil {
			l.hosts = make(map[string]*host)
		}
		h = newHost(old)
		h.name, h.maxNodes = strings.Clone(name), orDefault(l.Limits.Nodes, 4096)
		l.hosts[h.name] = h
	} else {
		l.unlink(h)
	}
	h.newer, h.older = nil, l.first
	if l.first != nil {
		l.first.newer = h
	} else {
		l.last = h
	}
	l.first = h
	return h
}

// newHost returns an empty host, in the memory of one that was forgotten where that is small.
func newHost(old *host) *host {
	const small = 64 // nodes
	if old == nil || cap(old.nodes) > small {
		return &host{children: make(map[place]int32), nodes: make([]node, 1)}
	}
	clear(old.children)
	clear(old.nodes)
	return &host{children: old.children, nodes: old.nodes[:1], free: old.free[:0]}
}

// evict forgets the host that was not seen for the longest time, other than h.
func (l *Learner) evict(h *host) bool {
	if l.last == h {
		return false
	}
	l.forget(l.last)
	return true
}

func (l *Learner) forget(h *host) {
	l.stats.Forgotten++
	l.unlink(h)
	delete(l.hosts, h.name)
	l.nodes -= h.used
}

func (l *Learner) unlink(h *host) {
	if h.newer != nil {
		h.newer.older = h.older
	} else {
		l.first = h.older
	}
	if h.older != nil {
		h.older.newer = h.newer
	} else {
		l.last = h.newer
	}
}

func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// split returns the host, with its port, and the path of an http or https URL.
func split(url string) (host, path string, ok bool) {
	rest, ok := cutScheme(url)
	if !ok {
		return "", "", false
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	i := strings.IndexByte(rest, '/')
	if i < 0 {
		return rest, "", true
	}
	return rest[:i], rest[i:], true
}

func cutScheme(url string) (rest string, ok bool) {
	for _, scheme := range [...]string{"https://", "http://"} {
		if len(url) >= len(scheme) && strings.EqualFold(url[:len(scheme)], scheme) {
			return url[len(scheme):], true
		}
	}
	return "", false
}
