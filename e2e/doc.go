// Package e2e proves the product from outside: the built binary, real Chromium,
// backends with their own OpenTelemetry SDKs. Its tests read what the server
// stored, through the public API.
package e2e
