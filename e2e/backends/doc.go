// Package backends proves that applications which know nothing of Throughline
// link: each runs as it is, behind `throughline proxy`, visited by a real browser,
// and the verdicts are read through the public API.
package backends
