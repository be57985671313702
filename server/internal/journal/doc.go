// Package journal keeps what was acknowledged on disk until the store has it: records appended in groups that share
// one fsync, read in order, let go segment by segment. It knows nothing of what the records mean.
package journal
