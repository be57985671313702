package servertiming

// AllowOrigin is the list of a Timing-Allow-Origin header (W3C Resource Timing,
// section 4.5.1): serialised origins or "*".
type AllowOrigin []string

// ParseAllowOrigin reads several Timing-Allow-Origin header fields, split as Fetch,
// section 2.2.2, says. Empty elements are left out. Elements alias the fields; a
// field longer than [MaxFieldLen] is ignored.
func ParseAllowOrigin(fields ...string) AllowOrigin {
	var list AllowOrigin
	for _, field := range fields {
		if len(field) > MaxFieldLen {
			continue
		}
		for field != "" {
			var element string
			element, field = cutElement(field)
			if element = trim(element); element != "" {
				list = append(list, element)
			}
		}
	}
	return list
}

// Allows reports whether a page of origin may see the timing of the response (the
// TAO check of Fetch, section 4.9): "*" is in the list, or origin byte for byte.
func (a AllowOrigin) Allows(origin string) bool {
	for _, allowed := range a {
		if allowed == "*" || allowed == origin {
			return true
		}
	}
	return false
}
