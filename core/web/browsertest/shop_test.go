package browsertest

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/rolloutkit/rolloutkit/core"
)

// actions returns the experiments' actions, without those of the mail.
func actions(events []core.Event) (all []string) {
	for _, e := range events {
		if e.Experiment != "shop_welcome_mail" {
			all = append(all, e.Experiment+" "+e.Action)
		}
	}
	return all
}

func TestStickyOverReloadsAndSignIn(t *testing.T) {
	b := open(t)
	first := b.variant()
	b.shoot("landing-" + first)
	for range 3 {
		require.Equal(t, first, b.variant())
	}
	require.Len(t, b.cookies(), 2, "one for each experiment")
	require.Equal(t, "true", b.like())
	liked := b.events()
	require.Equal(t, "shop_landing liked", actions(liked)[len(actions(liked))-1])
	require.Equal(t, first, liked[len(liked)-1].Variant)

	b.signUp("Anna", false)
	b.shoot("dashboard-" + first)
	require.Equal(t, first, b.variant())
	require.Equal(t, []string{"session"}, b.cookies(), "the visitor's cookies are gone")
	require.Equal(t, "true", b.like())
	ids := map[string]bool{}
	for _, e := range b.events() {
		if e.Action == core.ActionAssignment && e.Experiment == "shop_landing" {
			require.Equal(t, first, e.Variant)
			ids[e.Key] = true
		}
	}
	require.Len(t, ids, 2, "the visitor, and the user with the visitor's key as an older one")
}

func TestForceSwitchesAndSurvivesSignIn(t *testing.T) {
	b := open(t)
	before := b.variant()
	b.visit("/testers")
	b.shoot("testers")
	other := "offer"
	if before == other {
		other = "story"
	}
	// Another page of the shop links here, as a tester's notes would.
	b.script(`[...document.querySelectorAll("a.force")].find((a) => a.textContent === "` + other + `").click()`)
	b.do(chromedp.WaitVisible(chromedp.CSS("#like")))
	require.Equal(t, other, eval[string](b, `experiments.variant("shop_landing")`))
	require.Equal(t, other, b.variant())
	b.shoot("forced-" + other)
	b.signUp("Tess", false)
	require.Equal(t, other, b.variant())
	for _, e := range b.events() {
		if e.Experiment == "shop_landing" && e.Variant == other {
			require.Equal(t, core.SourceForced, e.Origin)
		}
	}
}

func TestExcludedSeeControlAndSendNothing(t *testing.T) {
	b := open(t)
	// Without a page before the sign-up nothing has been assigned.
	b.visit("/guide")
	b.script(`
		const f = document.createElement("form");
		f.method = "post"; f.action = "/signup";
		f.innerHTML = '<input name="name" value="Ida"><input name="staff" value="on">';
		document.body.append(f); f.submit()`)
	b.do(chromedp.WaitVisible(chromedp.CSS("#gift")))
	require.Equal(t, "control", b.variant())
	require.True(t, eval[bool](b, `experiments.published.shop_landing.excluded`))
	require.Equal(t, "false", b.like())
	b.shoot("excluded")
	require.Empty(t, actions(b.events()))
}

func TestPrivacySignalSendsNothing(t *testing.T) {
	b := open(t)
	b.header("Sec-GPC", "1")
	require.Equal(t, "control", b.variant())
	require.Equal(t, "false", b.like())
	b.shoot("gpc")
	require.Empty(t, b.cookies())
	require.Empty(t, b.events())
}

func TestWithoutJavaScript(t *testing.T) {
	b := open(t)
	b.withoutScripts()
	b.visit("/")
	page, err := chromedp.Run(b.ctx, chromedp.OuterHTML(chromedp.CSS("html")))
	require.NoError(t, err)
	b.shoot("no-script")
	slots := visibleSlots(t, page)
	require.Equal(t, []string{"New: first flush from Darjeeling."}, slots, "control is what those without a script see")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=name]"), "Noa"), chromedp.Click(chromedp.CSS("#signup")), chromedp.WaitVisible(chromedp.CSS("#gift")))
	require.Contains(t, actions(b.events()), "shop_landing signed_up")
}

// visibleSlots returns the texts of the slots that are not hidden.
func visibleSlots(t *testing.T, page string) (texts []string) {
	doc, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	for n := range doc.Descendants() {
		if n.Data != "experiment-slot" {
			continue
		}
		hidden := false
		for _, a := range n.Attr {
			hidden = hidden || a.Key == "hidden"
		}
		for d := range n.Descendants() {
			if d.Type == html.TextNode && !hidden {
				texts = append(texts, d.Data)
			}
		}
	}
	return texts
}

func TestSlotsShowTheVariant(t *testing.T) {
	b := open(t)
	b.visit("/")
	wanted := map[string]string{"control": "New: first flush from Darjeeling.", "shipping": "Free shipping this week."}
	shown := `[...document.querySelectorAll("experiment-slot")].filter((s) => s.offsetParent).map((s) => s.textContent).join()`
	require.Equal(t, wanted[eval[string](b, `experiments.variant("shop_banner")`)], eval[string](b, shown))
	// Whatever is published, the right slot shows; without one of its own, control's.
	for variant, text := range map[string]string{"shipping": wanted["shipping"], "control": wanted["control"], "unheard_of": wanted["control"]} {
		b.script(`experiments.published.shop_banner.variant = "` + variant + `";
			document.querySelector("experiment-slot").setAttribute("name", "shop_banner")`)
		require.Equal(t, text, eval[string](b, shown), variant)
	}
	require.Equal(t, "control", eval[string](b, `experiments.variant("constructor")`))
	require.Equal(t, "control", eval[string](b, `experiments.variant("nowhere")`))
}

func TestMailLink(t *testing.T) {
	b := open(t)
	b.signUp("Anna", false)
	b.visit("/outbox")
	b.do(chromedp.WaitVisible(chromedp.CSS("a.link")))
	b.shoot("outbox")
	b.do(chromedp.Click(chromedp.CSS("a.link")), chromedp.WaitVisible(chromedp.CSS("h1")))
	require.Equal(t, b.base+"/guide", eval[string](b, `location.href`))
	events := b.events()
	last := events[len(events)-1]
	require.Equal(t, "visited", last.Action)
	require.Equal(t, b.base+"/guide", last.Fields["url"])
}
