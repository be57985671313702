// Package archtest holds the rules of ARCHITECTURE.md as tests.
package archtest
