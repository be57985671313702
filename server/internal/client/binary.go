package client

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
)

// The binary form, in which a Client travels with the beacon that it sent:
//
//	version  1 byte, 1
//	present  1 byte, one bit for each part that follows, from the lowest
//	IPv4     3 bytes, the first of the address
//	IPv6     6 bytes, the first of the address; never with IPv4
//	country  2 bytes
//	name, version, system, device: each 1 byte with its length, 1 to 32, and so many bytes
//
// There is one form of each Client, and no room in it for a full address.
const binaryVersion = 1

// The bits of the parts.
const (
	hasIPv4 = 1 << iota
	hasIPv6
	hasCountry
	hasFirstText // the others follow
	knownParts   = hasFirstText<<4 - 1
)

// ErrBinary reports bytes that are not the binary form of a Client.
var ErrBinary = errors.New("client: not a description of a client in a version that is known")

var (
	_ encoding.BinaryAppender    = Client{}
	_ encoding.BinaryMarshaler   = Client{}
	_ encoding.BinaryUnmarshaler = (*Client)(nil)
)

// texts are the parts of free length, in the order of their bits.
func (c *Client) texts() [4]*string {
	return [...]*string{&c.UserAgentName, &c.UserAgentVersion, &c.OSName, &c.DeviceType}
}

// AppendBinary appends the binary form to b. It masks the address, whatever it
// is, and fails where a text is longer than Describe makes one.
func (c Client) AppendBinary(b []byte) ([]byte, error) {
	start := len(b)
	b = append(b, binaryVersion, 0)
	present := byte(0)
	switch a := c.Address.Unmap(); {
	case a.Is4():
		full := a.As4()
		present |= hasIPv4
		b = append(b, full[:keptOfIPv4/8]...)
	case a.Is6():
		full := a.As16()
		present |= hasIPv6
		b = append(b, full[:keptOfIPv6/8]...)
	}
	if c.CountryISOCode != "" {
		if !isCountry(c.CountryISOCode) {
			return b[:start], fmt.Errorf("client: %q is no code of a country", c.CountryISOCode)
		}
		present |= hasCountry
		b = append(b, c.CountryISOCode...)
	}
	for i, text := range c.texts() {
		if *text == "" {
			continue
		}
		if len(*text) > maxFieldBytes {
			return b[:start], fmt.Errorf("client: a text of %d bytes is longer than %d", len(*text), maxFieldBytes)
		}
		present |= hasFirstText << i
		b = append(b, byte(len(*text))) //nolint:gosec // at most maxFieldBytes
		b = append(b, *text...)
	}
	b[start+1] = present
	return b, nil
}

// MarshalBinary returns the binary form.
func (c Client) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// UnmarshalBinary reads the binary form, all of b. Its error wraps [ErrBinary],
// and leaves c as it was.
func (c *Client) UnmarshalBinary(b []byte) error {
	if len(b) < 2 || b[0] != binaryVersion || b[1] > knownParts || b[1]&(hasIPv4|hasIPv6) == hasIPv4|hasIPv6 {
		return ErrBinary
	}
	present, rest := b[1], b[2:]
	var read Client
	take := func(n int) []byte {
		if len(rest) < n {
			return nil
		}
		part := rest[:n]
		rest = rest[n:]
		return part
	}
	if present&hasIPv4 != 0 {
		part := take(keptOfIPv4 / 8)
		if part == nil {
			return ErrBinary
		}
		read.Address = netip.AddrFrom4([4]byte{part[0], part[1], part[2]})
	}
	if present&hasIPv6 != 0 {
		part := take(keptOfIPv6 / 8)
		if part == nil {
			return ErrBinary
		}
		read.Address = netip.AddrFrom16([16]byte{part[0], part[1], part[2], part[3], part[4], part[5]})
		if read.Address.Is4In6() { // which has another form
			return ErrBinary
		}
	}
	if present&hasCountry != 0 {
		if read.CountryISOCode = string(take(2)); !isCountry(read.CountryISOCode) {
			return ErrBinary
		}
	}
	for i, text := range read.texts() {
		if present&(hasFirstText<<i) == 0 {
			continue
		}
		length := take(1)
		if length == nil || length[0] == 0 || length[0] > maxFieldBytes {
			return ErrBinary
		}
		if *text = string(take(int(length[0]))); *text == "" {
			return ErrBinary
		}
	}
	if len(rest) > 0 {
		return ErrBinary
	}
	*c = read
	return nil
}
