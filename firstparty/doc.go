// Package firstparty lets pages find the browser agent, and send its beacons, on their own
// origin, below one path. It serves the agent's scripts itself, and passes beacons on to
// the Throughline server; it looks into none.
package firstparty
