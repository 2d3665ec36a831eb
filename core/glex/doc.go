// Package glex makes a Go service and a Ruby application that runs GitLab's gem
// gitlab-experiment agree on every assignment: the same context keys, the same
// percent draws, the same layout in Redis and the same cookies. MIGRATING.md
// tells how both run side by side, and how one replaces the other without
// anybody changing variant.
//
//	client, err := core.New(core.Config{
//		KeyScheme:  glex.Scheme{},            // config.context_key_bit_length
//		KeySecret:  secret,                   // config.context_key_secret
//		NamePrefix: "shop",                   // config.name_prefix
//		Store:      store,                    // glexstore.New(rdb, nil)
//	})
//	pillColor, err := core.Define(client, core.Definition[*User, string]{
//		Name:     "pill_color",               // glex.Name("PillColorExperiment")
//		Unit:     func(u *User) core.Unit {   // experiment(:pill_color, actor: user)
//			return core.NewUnit(glex.GlobalID("actor", "shop", "User", u.ID))
//		},
//		Variants:     []core.Variant[*User, string]{{Name: "red"}, {Name: "blue"}},
//		StickyPolicy: core.ExclusionFirst,    // as the gem has it
//		Rollout: glex.Percent(glex.Draw{Version: glex.V07, Array: []float64{50, 50}}),
//	})
//
// # Keys
//
// [Scheme] hashes what the gem hashes. Attributes of the core are strings, whole
// numbers, booleans and floating-point numbers; for the other classes of Ruby
// there is one function each that returns an attribute with Ruby's text: [Nil],
// [Symbol], [BigInt], [Rational], [Decimal], [Date], [Time], [DateTime],
// [TimeWithZone] and [GlobalID], which is what a model is. [Float] is for -0.0,
// and a value of any other class is a text that the app writes as its to_s does.
// The order of attributes matters, and nothing is escaped, so that {a: 1, b: 2}
// and {"a|b": "1|2"} have one key. Arrays and hashes are refused, see [Any].
//
// [Context] adds what a call site says of migrations, sticky_to and the cookie.
//
// # Versions of the gem
//
// Keys, cookies and the layout in Redis are the same from 0.7 to 0.9 at least;
// the draw is not, see [Version]. Later versions of the gem can keep controls in
// Redis too, by the option cache_control, and from 2.0 always do; a stored
// control is final on both sides.
//
// The rules are held against the gem 0.7.1: by what was recorded from it and,
// where Ruby is installed, by asking the gem itself. What is said of other
// versions was read from their source.
package glex
