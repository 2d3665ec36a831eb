//go:build race

package unleash

// raceEnabled says that the race detector watches.
const raceEnabled = true
