package web_test

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/memstore"
	"github.com/rolloutkit/rolloutkit/core/web"
	"github.com/rolloutkit/rolloutkit/providers/percent"
)

// exampleSite has one experiment, which gives everybody red.
func exampleSite() (*web.Site, *core.Experiment[string, string]) {
	client, err := core.New(core.Config{
		Store: memstore.New(nil), KeySecret: secret, NamePrefix: "shop", AllowForced: true,
		Tracker: core.TrackerFunc(func(_ context.Context, e core.Event) error {
			fmt.Println("event:", e.Action, e.Experiment, e.Variant, e.Origin)
			return nil
		}),
	})
	if err != nil {
		panic(err)
	}
	pillColor := core.MustDefine(client, core.Definition[string, string]{
		Name: "pill_color", Unit: core.Actor[string],
		Control:  core.Variant[string, string]{Value: "grey"},
		Variants: []core.Variant[string, string]{{Name: "red", Value: "red"}, {Name: "blue", Value: "blue"}},
		Rollout:  percent.New(percent.Weights{"red": 100}),
	})
	return web.MustNew(client, web.Config{Mount: "/experiment", BaseURL: "https://shop.example"}), pillColor
}

// A visitor whom nobody knows gets a cookie, and keeps the variant when they
// sign in.
func ExampleSite_Handler() {
	site, pillColor := exampleSite()
	shop := site.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		color, _ := pillColor.Run(r.Context(), r.FormValue("user")) // "" is nobody
		fmt.Fprint(w, color)
	}))

	first := httptest.NewRecorder()
	shop.ServeHTTP(first, httptest.NewRequest(http.MethodGet, "/", nil))
	cookie := first.Result().Cookies()[0]
	fmt.Println(first.Body, "and a cookie called", cookie.Name)

	signedIn := httptest.NewRequest(http.MethodGet, "/?user=ada", nil)
	signedIn.AddCookie(cookie)
	second := httptest.NewRecorder()
	shop.ServeHTTP(second, signedIn)
	fmt.Println(second.Body, "and the cookie goes:", second.Result().Cookies()[0].MaxAge < 0)
	// Output:
	// event: assignment shop_pill_color red resolved
	// red and a cookie called shop_pill_color_id
	// event: assignment shop_pill_color red resolved
	// red and the cookie goes: true
}

// A mail is written in a job, without any request.
func ExampleSite_LinkURL() {
	site, pillColor := exampleSite()
	trial := pillColor.For("ada")
	color, _ := trial.Run(context.Background())
	link, err := site.LinkURL(trial.Signature(context.Background()), "https://shop.example/guide")
	if err != nil {
		panic(err)
	}
	path, _, _ := strings.Cut(link, ":"+trial.Signature(context.Background()).Key)
	fmt.Println(color, path)

	w := httptest.NewRecorder()
	site.Handler(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, link, nil))
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output:
	// event: assignment shop_pill_color red resolved
	// red https://shop.example/experiment/shop_pill_color
	// event: visited shop_pill_color red resolved
	// 303 https://shop.example/guide
}

// A tester gets a link that shows a variant, for a day.
func ExampleSite_ForceToken() {
	site, pillColor := exampleSite()
	token, err := site.ForceToken("shop_pill_color", "blue", 24*time.Hour)
	if err != nil {
		panic(err)
	}
	shop := site.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		color, _ := pillColor.Run(r.Context(), "")
		fmt.Fprint(w, color)
	}))
	w := httptest.NewRecorder()
	shop.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?glex_force="+token, nil))
	fmt.Println(w.Body)
	// Output:
	// event: assignment shop_pill_color blue forced
	// blue
}

// A template shows what was published.
func ExampleFuncs() {
	site, pillColor := exampleSite()
	page := template.Must(template.New("").Funcs(web.Funcs()).Parse(
		`<button class="{{variant . "shop_pill_color"}}">Buy</button>`))
	ctx, w, finish := site.WithRequest(context.Background(), httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	defer finish()
	pillColor.Publish(ctx, "ada")
	var text strings.Builder
	if err := page.Execute(&text, ctx); err != nil {
		panic(err)
	}
	fmt.Fprint(w, &text)
	fmt.Println(text.String())
	// Output:
	// event: assignment shop_pill_color red resolved
	// <button class="red">Buy</button>
}
