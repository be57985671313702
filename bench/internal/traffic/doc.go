// Package traffic makes the load of the benchmarks: the sessions of a shop's
// users, as beacons and as OTLP exports. What it makes depends on its settings
// alone, so every server gets the same bytes.
package traffic
