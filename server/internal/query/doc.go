// Package query answers what the API asks of the store: requests with their
// verdicts, waterfalls, and the way back from a span to a user's session. It
// writes nothing.
package query
