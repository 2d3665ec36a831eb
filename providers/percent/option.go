package percent

// An Option changes what [Behind], [Random] or [RoundRobin] do. One that does
// not belong to the function is an error of Validate and of Resolve.
type Option interface {
	apply(*options)
}

type options struct {
	everyTime bool
	outside   bool
	weights   Weights
}

type flagOption uint8

const (
	// EveryTime says that each trial of [Random] or [RoundRobin] shall draw
	// anew where the client has no store, as a load test wants. Without it
	// [core.Define] refuses such an experiment.
	EveryTime flagOption = iota + 1

	// UnselectedOutside says that units that the flag of [Behind] does not
	// select are outside of the experiment, instead of tracked controls.
	UnselectedOutside
)

func (f flagOption) apply(o *options) {
	switch f {
	case EveryTime:
		o.everyTime = true
	case UnselectedOutside:
		o.outside = true
	}
}

func (w Weights) apply(o *options) { o.weights = w }

func read(opts []Option) (o options) {
	for _, opt := range opts {
		if opt != nil {
			opt.apply(&o)
		}
	}
	return o
}
