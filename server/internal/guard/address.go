package guard

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// The headers in which proxies tell for whom they ask.
const (
	XForwardedFor = "X-Forwarded-For"
	Forwarded     = "Forwarded" // RFC 7239
)

// The limits of what is read of them; proxies add one hop each.
const (
	maxHops             = 64
	maxForwardedBytes   = 8 << 10
	maxListedProxies    = 1_000
	maxForwardedNodeLen = 64 // an address in brackets with a port
)

// proxies knows whose word about a client's address is believed. It reads one
// of the two headers only: a proxy that writes the one passes on the other as
// its client sent it.
type proxies struct {
	trusted []netip.Prefix
	header  string
}

func newProxies(list []string, header string) (proxies, error) {
	p := proxies{header: XForwardedFor}
	switch {
	case header == "" || strings.EqualFold(header, XForwardedFor):
	case strings.EqualFold(header, Forwarded):
		p.header = Forwarded
	default:
		return proxies{}, &ConfigError{"forwarded_header", errors.New("this header is not read"), "give " + XForwardedFor + " or " + Forwarded}
	}
	if len(list) > maxListedProxies {
		return proxies{}, &ConfigError{"trusted_proxies", fmt.Errorf("%d are too many", len(list)), "list ranges rather than addresses"}
	}
	for i, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, addrErr := netip.ParseAddr(text)
			if addrErr != nil || addr.Zone() != "" {
				return proxies{}, &ConfigError{fmt.Sprintf("trusted_proxies[%d]", i), errors.New("neither an address nor a range"), "write 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7"}
			}
			addr = addr.Unmap()
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		p.trusted = append(p.trusted, prefix.Masked())
	}
	return p, nil
}

func (p *proxies) trusts(a netip.Addr) bool {
	for _, prefix := range p.trusted {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// ClientAddress returns the address that a request comes from: that of the
// connection, or, where that is a trusted proxy, the rightmost address of the
// forwarding header that is not one. Where a trusted proxy names something that
// is no address, the proxy's own is all that is known. It is the zero Addr
// where not even the connection has one.
func (g *Guard) ClientAddress(r *http.Request) netip.Addr { return g.proxies.client(r) }

func (p *proxies) client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := plain(peer.Addr())
	if !p.trusts(client) {
		return client
	}
	hops := 0
	for _, line := range slices.Backward(r.Header.Values(p.header)) {
		for _, node := range nodes(p.header, line) {
			if hops++; hops > maxHops {
				return client
			}
			addr, ok := parseNode(node)
			if !ok {
				return client
			}
			client = addr
			if !p.trusts(client) {
				return client
			}
		}
	}
	return client
}

// plain is an address without what says how it was written.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// nodes returns the hops of one line of a header, the last first. A line that
// cannot be read has one hop, which is no address.
func nodes(header, line string) []string {
	if len(line) > maxForwardedBytes {
		return []string{""}
	}
	if header == Forwarded {
		return forwardedNodes(line)
	}
	parts := strings.Split(line, ",")
	slices.Reverse(parts)
	for i := range parts {
		parts[i] = strings.Trim(parts[i], " \t")
	}
	return parts
}

// forwardedNodes reads the for parameters of a line (RFC 7239, section 4). A
// hop without one is unknown.
func forwardedNodes(line string) []string {
	var hops []string
	for rest := line; ; {
		node := ""
		for {
			name, value, tail, ok := forwardedPair(rest)
			if !ok {
				return []string{""}
			}
			if strings.EqualFold(name, "for") {
				node = value
			}
			rest = tail
			if !strings.HasPrefix(rest, ";") {
				break
			}
			rest = rest[1:]
		}
		hops = append(hops, node)
		if rest == "" {
			break
		}
		rest = rest[1:] // the comma
	}
	slices.Reverse(hops)
	return hops
}

// forwardedPair reads one parameter, up to the separator after it (RFC 7239,
// section 4: forwarded-pair; RFC 9110, section 5.6.4: quoted-string). An empty
// one is allowed, since lists may have empty elements (RFC 9110, section 5.6.1).
func forwardedPair(s string) (name, value, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	if s == "" || s[0] == ',' || s[0] == ';' {
		return "", "", s, true
	}
	name, s, found := strings.Cut(s, "=")
	if !found || strings.ContainsAny(name, "\",; \t") {
		return "", "", "", false
	}
	if strings.HasPrefix(s, `"`) {
		var b strings.Builder
		i := 1
		for ; i < len(s) && s[i] != '"'; i++ {
			if s[i] == '\\' {
				i++
			}
			if i < len(s) {
				b.WriteByte(s[i])
			}
		}
		if i >= len(s) {
			return "", "", "", false
		}
		value, s = b.String(), s[i+1:]
	} else {
		end := strings.IndexAny(s, ",;\" \t")
		if end < 0 {
			end = len(s)
		}
		value, s = s[:end], s[end:]
	}
	s = strings.TrimLeft(s, " \t")
	return name, value, s, s == "" || s[0] == ',' || s[0] == ';'
}

// parseNode reads an address as it stands in the headers: with or without
// brackets and port (RFC 7239, section 6; proxies write X-Forwarded-For in all
// of these ways). "unknown" and obfuscated names are none.
func parseNode(s string) (netip.Addr, bool) {
	if s == "" || len(s) > maxForwardedNodeLen {
		return netip.Addr{}, false
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return plain(addr), true
	}
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return plain(withPort.Addr()), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			if addr, err := netip.ParseAddr(inner); err == nil && addr.Is6() {
				return plain(addr), true
			}
		}
	}
	return netip.Addr{}, false
}
