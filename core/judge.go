package core

// A verdict says what the entries that were found under a unit's keys come to.
type verdict struct {
	current int        // the lookup with the current entry; 0 also where none has any
	copies  [2]copying // first done first; those without a source are none
}

// A copying is an entry that is to be claimed where nothing is stored: from and
// to are places among the lookups. Nothing is copied from the newest key, 0.
type copying struct{ from, to int }

// judge decides what the entries under a unit's keys come to. found has all keys
// of the unit, newest first; sameUnit is how many of those after the first are
// the unit itself under previous secrets, the rest being older identities. All
// policy of which entry counts, and of what is copied where, is here:
//
//   - The current entry is the one under the newest key that has any.
//   - It is copied to the newest key. The original stays, for processes that do
//     not know the newest key yet, and ages out.
//   - While a secret rotates, the oldest key of the unit itself gets the first
//     entry found under any key but the newest: processes of the previous release
//     know that key.
//
// A copy to the newest key can lose against another writer, whose entry then is
// the current one.
func judge(found []Lookup, sameUnit int) (v verdict) {
	v.current = first(found, 0)
	v.copies[0] = copying{from: v.current, to: 0}
	if at := &found[sameUnit]; sameUnit > 0 && !at.found() && at.Err == nil {
		v.copies[1] = copying{from: first(found, 1), to: sameUnit}
	}
	return v
}

// first returns the first lookup from i on that found an entry. 0 says that there
// is none, or that it is the first of all.
func first(found []Lookup, i int) int {
	for ; i < len(found); i++ {
		if found[i].found() {
			return i
		}
	}
	return 0
}

// conflicts reports whether a key's entry forbids to join the events under it
// with those of a unit that has the current entry: it is of another variant, and
// no open control, which a ramp may have moved.
func conflicts(e, current *Entry) bool {
	return e.Variant != "" && e.Variant != current.Variant && !e.open()
}
