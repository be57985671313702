package guard

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/throughline-rum/throughline/wire/servertiming"
)

// Application is a frontend that may send beacons.
type Application struct {
	ID string // rum.application.id, 16 hexadecimal digits

	// Origins are those of its pages: "https://shop.example", or
	// "https://*.shop.example" for every host below that one. Empty: every origin,
	// and senders without one.
	Origins []string
	// NoOrigin lets senders in that have no Origin header, as mobile apps and
	// servers have none, although Origins are listed.
	NoOrigin bool
}

// The limits of the list of applications.
const (
	maxListedApplications = 10_000
	maxOrigins            = 1_000 // of one application
)

// applications holds who may send beacons; empty: everybody.
type applications struct {
	byID      map[string]*allowed
	all       originSet // of all applications together
	anyOrigin bool      // some application's pages may be anywhere
}

type allowed struct {
	origins  originSet
	any      bool // every origin
	noOrigin bool
}

var applicationID = regexp.MustCompile(`^[0-9a-f]{16}$`)

func newApplications(list []Application) (applications, error) {
	a := applications{byID: make(map[string]*allowed, len(list)), all: newOriginSet()}
	if len(list) > maxListedApplications {
		return applications{}, &ConfigError{"applications", fmt.Errorf("%d are too many", len(list)), fmt.Sprintf("list at most %d", maxListedApplications)}
	}
	for i, app := range list {
		path := fmt.Sprintf("applications[%d]", i)
		if !applicationID.MatchString(app.ID) {
			return applications{}, &ConfigError{path + ".id", errors.New("no application id"), "give 16 hexadecimal digits in lower case, as the agent's data-application-id has them"}
		}
		if a.byID[app.ID] != nil {
			return applications{}, &ConfigError{path + ".id", errors.New("this id is listed twice"), "list each application once, with all its origins"}
		}
		if len(app.Origins) > maxOrigins {
			return applications{}, &ConfigError{path + ".origins", fmt.Errorf("%d are too many", len(app.Origins)), fmt.Sprintf("list at most %d, or use *.", maxOrigins)}
		}
		one := &allowed{origins: newOriginSet(), any: len(app.Origins) == 0, noOrigin: app.NoOrigin}
		for j, pattern := range app.Origins {
			if err := one.origins.add(pattern); err != nil {
				return applications{}, &ConfigError{fmt.Sprintf("%s.origins[%d]", path, j), err, "write https://shop.example, or https://*.shop.example for the hosts below it"}
			}
			_ = a.all.add(pattern) // which is good, as the line above says
		}
		a.anyOrigin = a.anyOrigin || one.any
		a.byID[app.ID] = one
	}
	return a, nil
}

// allow reports why a beacon is refused; nil where it is not.
func (a *applications) allow(id, origin string) *RefusalError {
	if len(a.byID) == 0 {
		return nil
	}
	app := a.byID[id]
	if app == nil {
		return &RefusalError{http.StatusForbidden, UnknownApplication, "the application is not among those that the server takes beacons of",
			"Compare rum.application.id (data-application-id of the agent's script) with the applications in the server's settings."}
	}
	if app.any {
		return nil
	}
	if origin == "" {
		if app.noOrigin {
			return nil
		}
		return &RefusalError{http.StatusForbidden, OriginNotAllowed, "the beacon names no origin, and the application's origins are listed",
			"Send the Origin header, or set no_origin: true at the application for mobile apps and servers."}
	}
	if app.origins.match(origin) {
		return nil
	}
	return &RefusalError{http.StatusForbidden, OriginNotAllowed, "the page's origin is not one of the application's",
		"Add the origin to the application's origins in the server's settings: scheme, host, and port where it is not the default."}
}

func (a *applications) allowOrigin(origin string) string {
	switch {
	case len(a.byID) == 0:
		return "*"
	case a.all.match(origin):
		return origin
	case a.anyOrigin:
		return "*"
	default:
		return ""
	}
}

// originSet holds patterns of origins.
type originSet struct {
	exact map[string]bool
	below map[string]bool // "https://.shop.example:8443" for the hosts below shop.example
}

func newOriginSet() originSet {
	return originSet{exact: map[string]bool{}, below: map[string]bool{}}
}

// schemeOrigin is the origin of a page in an app's own scheme, which has no
// default port and no serialised form but its own.
var schemeOrigin = regexp.MustCompile(`^[a-z][a-z0-9+.-]{0,31}://[a-z0-9._-]{1,253}(:[0-9]{1,5})?$`)

func (s *originSet) add(pattern string) error {
	scheme, rest, found := strings.Cut(pattern, "://")
	base, wild := strings.CutPrefix(rest, "*.")
	exact := scheme + "://" + base
	web := scheme == "http" || scheme == "https"
	switch serialised, ok := servertiming.OriginOf(exact); {
	case pattern == "*":
		return errors.New("an asterisk alone is no origin; leave origins out to allow every one")
	case strings.Contains(exact, "*"):
		return errors.New("an asterisk stands only at the host's beginning, before a point")
	case !found:
		return errors.New("there is no scheme")
	case !web && !wild && schemeOrigin.MatchString(pattern):
		s.exact[pattern] = true
		return nil
	case !web || !ok:
		return errors.New("this is no origin that a browser sends")
	case serialised != exact:
		return fmt.Errorf("browsers write it as %s", serialised)
	case !wild:
		s.exact[exact] = true
		return nil
	}
	host, _, _ := strings.Cut(base, ":")
	if !strings.Contains(strings.Trim(host, "."), ".") && host != "localhost" {
		return errors.New("everybody can have a host below it")
	}
	if strings.Trim(host[strings.LastIndexByte(host, '.')+1:], "0123456789") == "" {
		return errors.New("there are no hosts below an address")
	}
	s.below[scheme+"://."+base] = true
	return nil
}

// match reports whether an Origin header matches a pattern, exactly or as a
// host below it. It costs one look-up for each label of the host.
func (s *originSet) match(origin string) bool {
	if s.exact[origin] {
		return true
	}
	if len(s.below) == 0 {
		return false
	}
	if serialised, ok := servertiming.OriginOf(origin); !ok || serialised != origin {
		return false
	}
	scheme, host, _ := strings.Cut(origin, "://")
	for {
		_, parent, found := strings.Cut(host, ".")
		if !found {
			return false
		}
		if s.below[scheme+"://."+parent] {
			return !strings.HasPrefix(host, ".")
		}
		host = parent
	}
}
