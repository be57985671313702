// Command crash proves from outside that the server never loses and never doubles
// what it acknowledged: it loads the built binary, kills it, fills its disk or
// blocks its store, reopens a copy of the data, and counts by the public API.
package main
