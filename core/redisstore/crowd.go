package redisstore

import "sync"

// A crowd bounds the round trips under way on one node. Calls beyond the bound
// wait until any trip ends and then travel together, in one pipeline. What a
// trip costs apart from its commands, mostly system calls on both sides, is
// then shared by those who came at the same time. A lone caller never waits.
type crowd struct {
	max     int // below 0 for no bound
	mu      sync.Mutex
	trips   int
	waiting []*call
	faults  *faults // of the trips that they will make
}

// enter takes the place of one trip, if there is one.
func (w *crowd) enter() bool {
	if w.max < 0 {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trips >= w.max {
		return false
	}
	w.trips++
	return true
}

// wait adds c to those who wait for the end of a trip. It takes a place and
// returns false if one is free after all.
func (w *crowd) wait(c *call) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trips < w.max {
		w.trips++
		return false
	}
	if w.waiting == nil {
		w.faults = new(faults)
	}
	c.faults = w.faults
	w.waiting = append(w.waiting, c)
	return true
}

// maxTogether bounds the calls that share a trip, so that those who came first
// are not kept until thousands more have been answered.
const maxTogether = 512

// next hands the place of a trip that ended to those who wait longest. If there
// are none it gives the place back and returns nil.
func (w *crowd) next() []*call {
	if w.max < 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.waiting
	switch n := len(calls); {
	case n == 0:
		w.trips--
		return nil
	case n > maxTogether:
		calls, w.waiting = calls[:maxTogether:maxTogether], calls[maxTogether:]
	default:
		w.waiting = nil
	}
	return calls
}

// runAlone runs c in the caller's goroutine if a trip of its own is free.
func (r *runner) runAlone(c *call) bool {
	if !r.crowd.enter() {
		return false
	}
	defer r.handOn() // whatever a hook of the client does, a place is not lost
	r.runHere(c)
	return true
}

// handOn gives the place of a trip that ended to those who wait.
func (r *runner) handOn() {
	if calls := r.crowd.next(); calls != nil {
		r.leadOff(calls)
	}
}

// wait puts c among those who wait for a trip.
func (r *runner) wait(c *call) {
	if !r.crowd.wait(c) {
		r.leadOff([]*call{c})
	}
}

// leadOff carries calls in the background, where close waits for it.
func (r *runner) leadOff(calls []*call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over { // those calls are given up, or about to be
		go r.carry(calls)
		return
	}
	r.ended.Go(func() { r.carry(calls) })
}

// carry makes a trip with those who waited.
func (r *runner) carry(calls []*call) {
	defer r.handOn()
	r.together(calls)
}

// together runs calls in one pipeline, those excepted that were given up
// meanwhile. Each of them may be given up before the pipeline ends.
func (r *runner) together(calls []*call) {
	var requests []request
	sent := calls[:0]
	for _, c := range calls {
		if c.state.Load() == callGivenUp {
			r.abandoned.Add(-1)
			continue
		}
		sent = append(sent, c)
		requests = append(requests, c.requests...)
	}
	if len(sent) == 0 {
		return
	}
	trip := newCall(background, r.budget, false, request{})
	trip.requests = requests
	r.runHere(trip)
	for _, c := range sent {
		for i := range c.requests {
			c.requests[i].cmd = requests[i].cmd // a script may have been sent whole
		}
		requests = requests[len(c.requests):]
		c.panicked = trip.panicked
		r.finished(c)
	}
}
