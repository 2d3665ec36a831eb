//go:build race

package core

// raceEnabled says that the race detector is on: it allocates.
const raceEnabled = true
