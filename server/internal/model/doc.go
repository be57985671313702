// Package model holds the values that move through the server: request events
// as a frontend saw them, spans as backends reported them, and the verdicts
// that join the two. It is plain data and does no input or output.
package model
