// Package recipes proves the guides of docs/guides for other proxies and caches: its
// tests run the real programs with the configurations that the guides show, in front of
// the real binary and behind it.
package recipes
