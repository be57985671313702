package beacon

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// attribute keeps a field that has no place of its own. Beyond the limits it is
// left out and counted, since an event is worth more than one of its extras.
func (d *decoder) attribute(m member) {
	if len(d.attributes) == MaxAttributes || !m.fits() {
		d.beacon.AttributesDropped++
		return
	}
	d.attributes = append(d.attributes, m)
}

// fits reports whether an attribute is within the limits of one.
func (m *member) fits() bool {
	return len(m.name) <= MaxAttributeName && len(m.value) <= MaxAttributeBytes && m.values <= MaxAttributeValues
}

// share reads the beacon's own attributes, once. Events that were read before it are to be read again,
// since they lack them. ok is false where they are not as they must be.
func (d *decoder) share(object string) (ok bool) {
	if !d.sharedRead {
		d.sharedRead = true
		if d.begun {
			d.forgetEvents()
		}
		d.sharedFault = !isNull(object) && !d.readShared(object)
	}
	return !d.sharedFault
}

func (d *decoder) readShared(object string) (ok bool) {
	if !isObject(object) {
		return false
	}
	members, ok := membersOf(d.shared, object)
	if !ok {
		return false
	}
	slices.SortFunc(members, byName)
	d.shared = members[:0]
	size := len("{")
	for i, m := range members {
		if isNull(m.value) {
			continue
		}
		if len(d.shared) == MaxAttributes || !m.fits() {
			d.beacon.AttributesDropped++
			continue
		}
		if d.written, ok = appendMembers(d.written[:0], members[i:i+1]); !ok {
			return false
		}
		more := len(d.written) - len("{") // with a bracket or a comma behind it
		if size+more > MaxSharedBytes {
			d.beacon.AttributesDropped++
			continue
		}
		size += more
		d.shared = append(d.shared, m)
	}
	if len(d.shared) > 0 {
		d.written, ok = appendMembers(d.written[:0], d.shared)
		d.sharedText = string(d.written)
	}
	return ok
}

// attributeText writes the attributes of the event at hand down. ok is false where the
// value of one is not as it must be.
func (d *decoder) attributeText() (text string, ok bool) {
	if len(d.attributes) == 0 {
		return d.sharedText, true
	}
	slices.SortStableFunc(d.attributes, byName)
	// Two of a name are one of the event and one of its performance.timing.
	sent := len(d.attributes)
	d.attributes = slices.CompactFunc(d.attributes, func(a, b member) bool { return byName(a, b) == 0 })
	d.beacon.AttributesDropped += sent - len(d.attributes)
	if len(d.shared) > 0 {
		d.addShared()
	}
	d.written, ok = appendMembers(d.written[:0], d.attributes)
	begin := d.texts.Len()
	d.texts.Write(d.written)
	return d.texts.String()[begin:], ok
}

// addShared adds the beacon's own attributes to the event's, as far as these do not have the name.
func (d *decoder) addShared() {
	own := d.attributes
	for _, m := range d.shared {
		if _, has := slices.BinarySearchFunc(own, m, byName); !has {
			d.attribute(m)
		}
	}
	slices.SortFunc(d.attributes, byName)
}

func byName(a, b member) int { return strings.Compare(a.name, b.name) }

// appendValue writes a value as Event.Attributes has it. ok is false where a number is
// too large, or a name occurs twice. The scanner bounds the depth.
func appendValue(b []byte, value string) (text []byte, ok bool) {
	switch value[0] {
	case '"':
		if strings.IndexByte(value, '\\') < 0 {
			return append(b, value...), true
		}
		return appendString(b, unquote(value)), true
	case '{':
		members, ok := membersOf(nil, value)
		if !ok {
			return b, false
		}
		members = slices.DeleteFunc(members, func(m member) bool { return isNull(m.value) })
		slices.SortFunc(members, byName)
		return appendMembers(b, members)
	case '[':
		return appendElements(b, value)
	case 't', 'f', 'n':
		return append(b, value...), true
	default:
		return appendNumber(b, value)
	}
}

func appendMembers(b []byte, members []member) (text []byte, ok bool) {
	b = append(b, '{')
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, m.name), ':')
		if b, ok = appendValue(b, m.value); !ok {
			return b, false
		}
	}
	return append(b, '}'), true
}

func appendElements(b []byte, value string) (text []byte, ok bool) {
	b = append(b, '[')
	s := scanner{text: value}
	for a := s.array(0); a.next(); {
		if b[len(b)-1] != '[' { // no value ends with that
			b = append(b, ',')
		}
		a.end, _ = a.value(a.start)
		if b, ok = appendValue(b, value[a.start:a.end]); !ok {
			return b, false
		}
	}
	return append(b, ']'), true
}

// appendNumber writes an integer that fits into an int64 as one, and every other number with
// a point or an exponent.
func appendNumber(b []byte, value string) (text []byte, ok bool) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return strconv.AppendInt(b, n, 10), true
	}
	f, ok := numberOf(value)
	if !ok {
		return b, false
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !bytes.ContainsAny(b[start:], ".e") {
		b = append(b, ".0"...)
	}
	return b, true
}

// appendString writes a string that is valid UTF-8, with the escapes that it must have
// (RFC 8259, section 7) and no others.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	clean := 0 // where what is not copied yet begins
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[clean:i]...)
		if clean = i + 1; c < ' ' {
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		} else {
			b = append(b, '\\', c)
		}
	}
	return append(append(b, s[clean:]...), '"')
}
