package tracecontext

import "strings"

// Session is what the session cookie says: whose request it is. Its text form is
//
//	<instance id>.<session id>
type Session struct {
	InstanceID string // as in [Dtr]
	SessionID  string // as in [Dtr]
}

// ParseSession reads the value of the session cookie. The strings of the result alias
// value. The error is a *[SyntaxError] that wraps [ErrSession].
func ParseSession(value string) (Session, error) {
	instance, session, found := strings.Cut(value, ".")
	switch {
	case !found:
		return Session{}, &SyntaxError{Err: ErrSession, Part: "session id", Offset: len(value), Reason: "want a dot between the two ids"}
	case !validInstance(instance):
		return Session{}, &SyntaxError{Err: ErrSession, Part: "instance id", Reason: wantInstance}
	case !validSession(session):
		return Session{}, &SyntaxError{Err: ErrSession, Part: "session id", Offset: len(instance) + 1, Reason: wantSession}
	}
	return Session{InstanceID: instance, SessionID: session}, nil
}

// String returns the text form.
func (s Session) String() string { return s.InstanceID + "." + s.SessionID }
