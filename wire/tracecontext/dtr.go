package tracecontext

import "strings"

// Tenant tells one deployment's dtr entries from another's: hash of the
// deployment, dash, hash of the environment, eight hexadecimal digits each. The
// zero Tenant stands for [DefaultTenant].
type Tenant string

// DefaultTenant is the tenant of installations that set none.
const DefaultTenant Tenant = "7468726f-75676800"

// tenantLen is the length of a Tenant; keySuffix follows it in a member's key.
const (
	tenantLen = 17
	keySuffix = "@dtr"
)

// ParseTenant reads eight lower-case hexadecimal digits, a dash and eight more.
func ParseTenant(s string) (Tenant, error) {
	if len(s) != tenantLen || s[8] != '-' || !isHex(s[:8]) || !isHex(s[9:]) {
		return "", ErrTenant
	}
	return Tenant(s), nil
}

// Key returns the key of the tenant's member in tracestate, in the multi-tenant
// form of W3C Trace Context.
func (t Tenant) Key() string { return string(t.orDefault()) + keySuffix }

func (t Tenant) orDefault() Tenant {
	if t == "" {
		return DefaultTenant
	}
	return t
}

// Dtr is the value of a dtr member: which request event of which session sent
// the request. Its text form, version 1, is
//
//	1;<span id>;<0 or 1>;<application id>;<instance id>;<session id>
type Dtr struct {
	SpanID  SpanID // of the request event, repeated from traceparent
	Sampled bool
	// ApplicationID is 16 lower-case hexadecimal digits.
	ApplicationID string
	// InstanceID is one per browser profile (13 digits and 32 of A-Z0-9) or app
	// install (1 to 20 digits).
	InstanceID string
	// SessionID is 32 of A-Z, dash, digits on the web; digits, underscore, digits,
	// dash, digits in an app; each number of 1 to 20 digits.
	SessionID string
}

// Lengths of the parts of a dtr value. The contract sets no limit for the
// decimal numbers; 20 digits hold every unsigned 64-bit number.
const (
	idLen          = 16
	instanceMillis = 13
	webInstance    = instanceMillis + 32
	sessionRandom  = 32
	maxDigits      = 20
)

// maxDtrLen is the longest value that the grammar allows, and below MaxValueLen.
const maxDtrLen = len("1;;1;;;") - 1 + idLen + idLen + webInstance +
	max(sessionRandom+1+maxDigits, 3*maxDigits+2)

// ParseDtr reads the value of a dtr member. The strings of the result alias
// value, and a good value costs no allocation. The error is a *[SyntaxError]: it wraps
// [ErrDtrVersion] where the value is of a version other than 1, else [ErrDtr].
func ParseDtr(value string) (d Dtr, err error) {
	if !parseDtr(&d, value) {
		return Dtr{}, dtrError(value)
	}
	return d, nil
}

// parseDtr fills d in place and reports whether value is good.
func parseDtr(d *Dtr, value string) bool {
	const (
		offSpanID   = len("1;")
		offSampled  = offSpanID + idLen + 1
		offApp      = offSampled + 2
		offInstance = offApp + idLen + 1
	)
	if len(value) < offInstance || value[0] != '1' || value[1] != ';' ||
		value[offSampled-1] != ';' || value[offApp-1] != ';' || value[offInstance-1] != ';' ||
		!decodeSpanID(&d.SpanID, value[offSpanID:]) {
		return false
	}
	d.Sampled = value[offSampled] == '1'
	d.ApplicationID = value[offApp : offInstance-1]
	value, sampled := value[offInstance:], value[offSampled]
	end := webInstance
	if len(value) <= end || value[end] != ';' {
		if end = strings.IndexByte(value, ';'); end < 0 {
			return false
		}
	}
	d.InstanceID, d.SessionID = value[:end], value[end+1:]
	return (d.Sampled || sampled == '0') && isHex16(d.ApplicationID) &&
		validInstance(d.InstanceID) && validSession(d.SessionID)
}

// dtrError names the first part of value that is wrong.
func dtrError(value string) error {
	offset := 0
	part := func(name, reason string) error {
		return &SyntaxError{Err: ErrDtr, Part: name, Offset: offset, Reason: reason}
	}
	next := func() string {
		text, rest, _ := strings.Cut(value, ";")
		value = rest
		return text
	}
	version := next()
	if version != "1" {
		if version == "" || strings.Trim(version, "0123456789") != "" {
			return part("version", "want a number")
		}
		return &SyntaxError{Err: ErrDtrVersion, Part: "version", Reason: "only 1 is known"}
	}
	offset += len(version) + 1
	if id := next(); !validSpanID(id) {
		return part("span id", "want 16 lower-case hexadecimal digits, not all zero")
	}
	offset += idLen + 1
	if s := next(); s != "0" && s != "1" {
		return part("sampled", "want 0 or 1")
	}
	offset += len("1;")
	if id := next(); len(id) != idLen || !isHex(id) {
		return part("application id", "want 16 lower-case hexadecimal digits")
	}
	offset += idLen + 1
	instance := next()
	if !validInstance(instance) {
		return part("instance id", wantInstance)
	}
	offset += len(instance) + 1
	return part("session id", wantSession)
}

// What is wanted of the two ids.
const (
	wantInstance = "want 13 digits and 32 of A-Z0-9, or 1 to 20 digits"
	wantSession  = "want 32 of A-Z, dash, digits, or digits, underscore, digits, dash, digits; and no more"
)

func validSpanID(s string) bool {
	_, err := ParseSpanID(s)
	return err == nil
}

// validInstance accepts the web form and the mobile form of an instance id.
func validInstance(s string) bool {
	if len(s) == webInstance {
		return isDigits(s[:instanceMillis]) && isUpperOrDigit32(s[instanceMillis:])
	}
	return validNumber(s)
}

// validSession accepts the web form and the mobile form of a session id.
func validSession(s string) bool {
	if len(s) > sessionRandom && s[sessionRandom] == '-' && isUpper32(s) {
		return validNumber(s[sessionRandom+1:])
	}
	first, rest, ok := strings.Cut(s, "_")
	if !ok || !validNumber(first) {
		return false
	}
	second, third, ok := strings.Cut(rest, "-")
	return ok && validNumber(second) && validNumber(third)
}

func validNumber(s string) bool {
	return s != "" && len(s) <= maxDigits && isDigits(s)
}

// AppendTo appends the value of the member, without its key, to dst. It does not
// check d; see [Dtr.Validate].
func (d Dtr) AppendTo(dst []byte) []byte {
	dst = append(dst, "1;"...)
	dst = d.SpanID.AppendTo(dst)
	if d.Sampled {
		dst = append(dst, ";1;"...)
	} else {
		dst = append(dst, ";0;"...)
	}
	dst = append(dst, d.ApplicationID...)
	dst = append(dst, ';')
	dst = append(dst, d.InstanceID...)
	dst = append(dst, ';')
	return append(dst, d.SessionID...)
}

// String returns what [Dtr.AppendTo] appends.
func (d Dtr) String() string {
	var b [maxDtrLen]byte
	return string(d.AppendTo(b[:0]))
}

// Validate reports whether d can be written: [ErrMissingValues] where an id is
// empty, else [ErrDtr] where one is not of its form.
func (d Dtr) Validate() error {
	switch {
	case d.SpanID.IsZero(), d.ApplicationID == "", d.InstanceID == "", d.SessionID == "":
		return ErrMissingValues
	case len(d.ApplicationID) != idLen || !isHex(d.ApplicationID),
		!validInstance(d.InstanceID), !validSession(d.SessionID):
		return ErrDtr
	}
	return nil
}

// FindDtr looks for the tenant's dtr member in a tracestate header. It skips
// white space, empty members and whatever other vendors and tenants wrote, even
// where that is malformed. Where the member is there and does not parse, found is
// true and err that of [ParseDtr]; of several, the leftmost, which is the latest,
// counts. Not more than [MaxMembers] members are looked at, and a header of more
// than 32 KiB is not read at all: [ErrMaxLength]. It does not allocate where the
// member is good or absent.
func FindDtr(tracestate string, tenant Tenant) (d Dtr, found bool, err error) {
	if len(tracestate) > maxReadLen {
		return Dtr{}, false, ErrMaxLength
	}
	tenant = tenant.orDefault()
	members := 0
	for rest := tracestate; rest != "" && members < MaxMembers; {
		var text string
		text, rest = cutMember(rest)
		if text == "" {
			continue
		}
		members++
		if value, ok := memberValue(text, tenant); ok {
			if !parseDtr(&d, value) {
				return Dtr{}, true, dtrError(value)
			}
			return d, true, nil
		}
	}
	return Dtr{}, false, nil
}

// PutDtr returns tracestate with the tenant's dtr member leftmost. An earlier
// member of the tenant is replaced; the members of others keep their bytes and
// their order, malformed ones too; white space around members and empty members
// are left out.
//
// It fails with [ErrMissingValues] or [ErrDtr] where d cannot be written, with
// [ErrTenant] where the tenant is malformed, and with [ErrMaxLength] where the list
// would have more than [MaxMembers] members or [MaxTracestateLen] bytes. The caller
// then leaves the header as it was.
func PutDtr(tracestate string, tenant Tenant, d Dtr) (string, error) {
	if err := d.Validate(); err != nil {
		return "", err
	}
	tenant = tenant.orDefault()
	if _, err := ParseTenant(string(tenant)); err != nil {
		return "", err
	}
	if len(tracestate) > maxReadLen {
		return "", ErrMaxLength
	}
	var buf [MaxTracestateLen]byte
	list := append(buf[:0], tenant...)
	list = append(list, keySuffix...)
	list = append(list, '=')
	list = d.AppendTo(list)
	members := 1
	for rest := tracestate; rest != ""; {
		var text string
		text, rest = cutMember(rest)
		if text == "" {
			continue
		}
		if _, ours := memberValue(text, tenant); ours {
			continue
		}
		members++
		if members > MaxMembers || len(list)+1+len(text) > MaxTracestateLen {
			return "", ErrMaxLength
		}
		list = append(list, ',')
		list = append(list, text...)
	}
	return string(list), nil
}

// cutMember splits the first list-member, without the white space around it, from
// the rest of the list.
func cutMember(list string) (member, rest string) {
	member, rest, _ = strings.Cut(list, ",")
	for member != "" && (member[0] == ' ' || member[0] == '\t') {
		member = member[1:]
	}
	for member != "" && (member[len(member)-1] == ' ' || member[len(member)-1] == '\t') {
		member = member[:len(member)-1]
	}
	return member, rest
}

// memberValue returns the value of a member whose key is the tenant's.
func memberValue(member string, tenant Tenant) (value string, ok bool) {
	const suffix = keySuffix + "="
	start := len(tenant) + len(suffix)
	if len(member) < start || member[len(tenant):start] != suffix || member[:len(tenant)] != string(tenant) {
		return "", false
	}
	return member[start:], true
}
