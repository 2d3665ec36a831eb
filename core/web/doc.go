// Package web connects experiments with net/http: visitors nobody knows yet,
// forced variants, links for mails, and the page's JavaScript.
//
//	site, err := web.New(client, web.Config{Mount: "/experiment"})
//	http.ListenAndServe(addr, site.Handler(mux))
//
// Behind [Site.Handler] the ctx of a request has a scope. Experiments that run
// with it decide once for each unit, and send each assignment event once.
//
// # Anonymous visitors
//
// A unit whose actor is empty is a visitor. The first experiment that is tracked
// for one sets a cookie, signed and not readable for scripts, with a random id
// and the variant: so the first page counts, and the store is written only when
// the cookie comes back. A flood of requests without cookies stores nothing. As
// soon as the actor is known, the assignment goes over to it and the cookie
// goes. Each experiment has its own cookie, so nobody can be followed from one
// to another.
//
// # Privacy
//
// Where a request says DNT or Sec-GPC, or lacks consent, or comes from a bot, no
// new cookie is set and no event leaves. A visitor with a cookie, and an actor
// who is known, see their variants all the same. Cookies, links, tokens and what
// is published hold anonymous keys, random ids and names of variants.
//
// A response that depends on an assignment says so: Vary: Cookie and
// Cache-Control: private.
//
// # Forced variants
//
// ?glex_force=experiment:variant shows a variant to those whom
// [Config.MayForce] permits, or who have a token of [Site.ForceToken], on
// clients that have core.Config.AllowForced. It is kept, and ends with
// [core.Experiment.Forget]. Where there is no site, [ForceToken] makes tokens of
// its secret, and so does the command core/web/forcetoken.
//
// # Links
//
// [Site.LinkURL] makes a link for a mail that tracks the visit of a known unit
// and redirects. Links are signed; those without a valid signature lead only
// where [Config.Redirect] permits, which is nowhere by default.
//
// # The page
//
// [Script] gives the page's JavaScript what was published. There,
// experiments.variant(name) is the variant, experiments.track(name, action)
// sends an event, and <experiment-slot> elements show what belongs to it.
// [TypeScript] has the declarations.
package web
