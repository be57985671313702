package servertiming

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Matcher says how a rule's pattern is held against an origin, byte for byte.
type Matcher string

// The matchers (linking contract, section 4).
const (
	Equals     Matcher = "EQUALS"
	StartsWith Matcher = "STARTS_WITH"
	EndsWith   Matcher = "ENDS_WITH"
	Contains   Matcher = "CONTAINS"
)

// Rule lets matching origins see Server-Timing in cross-origin requests.
type Rule struct {
	Matcher Matcher
	Pattern string // held against an origin such as "https://shop.example:8443"
}

// MaxRules is the largest number of rules of a set.
const MaxRules = 1000

// ErrRule reports a rule that cannot be used; the error that wraps it names the rule
// and says what to write instead.
var ErrRule = errors.New("servertiming: unusable origin rule")

// RuleSet decides which origins may see the trace of a response. The zero value has no
// rules: every origin may. It is immutable and may be used by many goroutines.
type RuleSet struct {
	equals map[string]bool
	others []Rule // of the other matchers
}

// NewRuleSet checks the rules and prepares them for matching. Its error wraps
// [ErrRule].
func NewRuleSet(rules ...Rule) (*RuleSet, error) {
	if len(rules) > MaxRules {
		return nil, fmt.Errorf("%w: %d rules, at most %d are allowed", ErrRule, len(rules), MaxRules)
	}
	set := &RuleSet{equals: make(map[string]bool)}
	for i, rule := range rules {
		if err := rule.Validate(); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
		if rule.Matcher == Equals {
			set.equals[rule.Pattern] = true
		} else {
			set.others = append(set.others, rule)
		}
	}
	return set, nil
}

// Validate reports what keeps the rule from ever matching, or makes it match every
// origin. The error wraps [ErrRule].
func (r Rule) Validate() error {
	switch r.Matcher {
	case Equals, StartsWith, EndsWith, Contains:
	default:
		return fmt.Errorf("%w: matcher %q; use EQUALS, STARTS_WITH, ENDS_WITH or CONTAINS", ErrRule, r.Matcher)
	}
	if r.Pattern == "" {
		return fmt.Errorf("%w: the pattern is empty; to let every origin see the headers, set no rules", ErrRule)
	}
	if len(r.Pattern) > maxOriginLen {
		return fmt.Errorf("%w: the pattern has %d bytes, at most %d are allowed", ErrRule, len(r.Pattern), maxOriginLen)
	}
	if strings.Contains(r.Pattern, "*") {
		return fmt.Errorf("%w: pattern %q: an asterisk stands for nothing; use ENDS_WITH, STARTS_WITH or CONTAINS", ErrRule, r.Pattern)
	}
	if r.Matcher == Equals && !isOrigin(r.Pattern) {
		return fmt.Errorf("%w: pattern %q is not an origin; write scheme, host in lower case, port only where it is not the default, and no path", ErrRule, r.Pattern)
	}
	for i := range len(r.Pattern) {
		if c := r.Pattern[i]; !isHostChar(c) && !strings.ContainsRune(":/[]", rune(c)) {
			return fmt.Errorf("%w: pattern %q: no origin has the character %q; origins are lower case, international names in punycode", ErrRule, r.Pattern, c)
		}
	}
	if _, host, found := strings.Cut(r.Pattern, "//"); found && strings.Contains(host, "/") {
		return fmt.Errorf("%w: pattern %q: an origin ends with host and port; leave out the path and the last slash", ErrRule, r.Pattern)
	}
	return nil
}

// Request is what a decision looks at.
type Request struct {
	Origin  string // the Origin header; empty where there is none
	Referer string // the Referer header; empty where there is none
	Self    string // the origin under which the client reached this server; empty where not known
	// Own: the browser says that the server's own page will read the answer, since it is the
	// page that is being opened, or was asked for by one of the same origin.
	Own bool
}

// Decision says what to do with the headers of a response.
type Decision struct {
	// ServerTiming: write Server-Timing.
	ServerTiming bool
	// AllowOrigin is the value for Timing-Allow-Origin where the application set none;
	// empty: add none. It is "*" or an origin in its serialised form, and so safe to
	// send.
	AllowOrigin string
	// VaryOrigin: add Origin to Vary, since the answer depends on it.
	VaryOrigin bool
}

// Decide applies the rules to a request (linking contract, section 4). The origin is that
// of Origin, else that of Referer; an opaque Referer counts as none. With rules
// set:
//
//   - an origin that matches gets both headers, Timing-Allow-Origin naming it;
//   - the server's own origin, a request that is its Own, and one that names no origin
//     (same-origin, or not from a browser), get Server-Timing, which other origins' pages
//     cannot read then;
//   - another origin gets neither. So does an opaque or malformed Origin ("null"): to
//     allow it would be to allow every sandboxed page.
func (s *RuleSet) Decide(r Request) Decision {
	if len(s.equals) == 0 && len(s.others) == 0 {
		return Decision{ServerTiming: true, AllowOrigin: "*"}
	}
	origin := r.Origin
	if origin != "" {
		if !isOrigin(origin) {
			return Decision{ServerTiming: r.Own, VaryOrigin: true}
		}
	} else if from, ok := OriginOf(r.Referer); ok {
		origin = from
	} else {
		return Decision{ServerTiming: true, VaryOrigin: true}
	}
	if s.match(origin) {
		return Decision{ServerTiming: true, AllowOrigin: origin, VaryOrigin: true}
	}
	return Decision{ServerTiming: r.Own || origin == r.Self, VaryOrigin: true}
}

func (s *RuleSet) match(origin string) bool {
	if s.equals[origin] {
		return true
	}
	return slices.ContainsFunc(s.others, func(r Rule) bool {
		switch r.Matcher {
		case StartsWith:
			return strings.HasPrefix(origin, r.Pattern)
		case EndsWith:
			return strings.HasSuffix(origin, r.Pattern)
		default:
			return strings.Contains(origin, r.Pattern)
		}
	})
}
