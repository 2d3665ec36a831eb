package conformance

// What the laws on removing and counting say.
const (
	sentenceDelete       = "Delete removes the entries under keys."
	sentenceDeleteAbsent = "Absent ones are no error."
	sentenceClear        = "Clear removes all entries and counts of one experiment."
	sentenceClearOne     = "Clear touches one experiment only."

	sentenceCount       = "Increment adds by to the experiment's counter called name and returns the new count."
	sentenceCountZero   = "A counter that was never incremented is 0."
	sentenceCountApart  = "A Counter counts per experiment."
	sentenceCountUnique = "Concurrent callers never get the same count for the same positive by."
)

func removalLaws() []law[*storeSetup] {
	return []law[*storeSetup]{
		{"delete", sentenceDelete, nil, checkDelete},
		{"delete-absent", sentenceDeleteAbsent, nil, checkDeleteAbsent},
		{"clear", sentenceClear, nil, checkClear},
		{"clear-counts", sentenceClear, needs(Counts), checkClearCounts},
		{"clear-one", sentenceClearOne, nil, checkClearOne},
		{"count", sentenceCount, needs(Counts), checkCount},
		{"count-from-zero", sentenceCountZero, needs(Counts), checkCountFromZero},
		{"count-apart", sentenceCountApart, needs(Counts), checkCountApart},
	}
}

func checkDelete(s *storeSetup) {
	h := s.handle()
	other := h.in(s.experiment + "_other")
	for u := range 10 {
		h.wins(unitKey("unit", u), none, redEntry)
	}
	other.wins(unitKey("unit", 1), none, blueEntry)
	h.delete(unitKey("unit", 1), unitKey("unit", 4), unitKey("unit", 7))
	for u := range 10 {
		want := redEntry
		if u%3 == 1 && u < 9 {
			want = none
		}
		h.holds(unitKey("unit", u), want)
	}
	other.holds(unitKey("unit", 1), blueEntry)
	h.wins(unitKey("unit", 4), none, greenEntry)
	h.holds(unitKey("unit", 4), greenEntry)
}

func checkDeleteAbsent(s *storeSetup) {
	h := s.handle()
	h.delete(unitKey("absent", 0))
	h.wins(unitKey("unit", 0), none, redEntry)
	h.wins(unitKey("unit", 1), none, redEntry)
	h.delete()
	h.delete(unitKey("absent", 0), unitKey("unit", 0), unitKey("unit", 0))
	h.holds(unitKey("unit", 0), none)
	h.holds(unitKey("unit", 1), redEntry)
}

func checkClear(s *storeSetup) {
	h := s.handle()
	h.clear() // nothing there yet
	for u := range some {
		e := redEntry
		if s.whole() && u%2 == 0 {
			e = openEntry(unitKey("unit", u))
		}
		h.wins(unitKey("unit", u), none, e)
	}
	h.clear()
	for u := range some {
		h.holds(unitKey("unit", u), none)
	}
	h.wins(unitKey("unit", 0), none, blueEntry)
	h.holds(unitKey("unit", 0), blueEntry)
}

func checkClearCounts(s *storeSetup) {
	h := s.handle()
	one, _ := h.increment("one", 5)
	two, _ := h.increment("two", 5)
	h.clear()
	h.counts("one", 5, one)
	h.counts("two", 5, two)
}

// checkClearOne clears an experiment among others whose names begin as its
// does, or that its name would match if a dot stood for any character.
func checkClearOne(s *storeSetup) {
	h := s.handle()
	cleared := []string{s.experiment, s.experiment + ".a"}
	others := []string{s.experiment + "_a", s.experiment + "/a", s.experiment + "-a", s.experiment + "a", s.experiment + ".ab",
		s.experiment + ".a.b", s.experiment[1:], s.experiment[:len(s.experiment)-1]}
	before := map[string]int64{}
	for _, experiment := range append(cleared, others...) {
		h := h.in(experiment)
		for u := range 20 {
			h.wins(unitKey("unit", u), none, redEntry)
		}
		if !s.lacks(Counts) {
			before[experiment], _ = h.increment("one", 3)
		}
	}
	for _, experiment := range cleared {
		h.in(experiment).clear()
	}
	for _, experiment := range others {
		h := h.in(experiment)
		for u := range 20 {
			h.holds(unitKey("unit", u), redEntry)
		}
		if !s.lacks(Counts) {
			h.counts("one", 1, before[experiment]+1)
		}
	}
}

func checkCount(s *storeSetup) {
	h := s.handle()
	sum, ok := h.increment("one", 1)
	if !ok {
		return
	}
	for _, by := range []int64{1, 1, 2, 40, 0, -3, -100, 1 << 40, 1} {
		sum += by
		h.counts("one", by, sum)
	}
}

func checkCountFromZero(s *storeSetup) {
	h := s.handle()
	h.counts("one", 1, 1)
	h.counts("two", 3, 3)
}

// checkCountApart counts under the key of an entry too.
func checkCountApart(s *storeSetup) {
	h := s.handle()
	key := unitKey("unit", 0)
	h.put(key, redEntry)
	places := [][2]string{{"", "one"}, {"", "two"}, {"", "One"}, {"", key}, {"", "round_robin"}, {"_other", "one"}, {"/other", "one"}}
	var counts []int64
	for i, p := range places {
		n, _ := h.in(s.experiment+p[0]).increment(p[1], int64(10+i))
		counts = append(counts, n)
	}
	for i, p := range places {
		h.in(s.experiment+p[0]).counts(p[1], 1, counts[i]+1)
	}
	h.holds(key, redEntry)
	h.delete(key)
	h.counts(key, 1, counts[3]+2)
	h.holds(key, none)
}
