// The page's experiments; client.d.ts says what there is.
(() => {
  const data = document.getElementById("experiments");
  const published = JSON.parse(data?.textContent || "{}");

  const variant = (name) => (Object.hasOwn(published, name) && published[name].variant) || "control";

  const track = async (name, action, { value = 0, label = "", property = "" } = {}) => {
    const e = Object.hasOwn(published, name) && published[name];
    if (!e?.token || !data?.dataset.track) return false;
    const body = JSON.stringify({ experiment: name, key: e.key, token: e.token, action, value, label, property });
    const headers = { "Content-Type": "application/json" };
    try {
      return (await fetch(data.dataset.track, { method: "POST", keepalive: true, headers, body })).status === 204;
    } catch {
      return false;
    }
  };

  // Of the slots with one name, those of the variant show; if there are none,
  // those of control.
  const render = (name) => {
    const slots = [...document.querySelectorAll("experiment-slot")].filter((s) => s.getAttribute("name") === name);
    const of = (s) => s.getAttribute("variant") || "control";
    const wanted = slots.some((s) => of(s) === variant(name)) ? variant(name) : "control";
    for (const s of slots) s.hidden = of(s) !== wanted;
  };

  class Slot extends HTMLElement {
    static observedAttributes = ["name", "variant"];
    connectedCallback() { render(this.getAttribute("name")); }
    attributeChangedCallback() { if (this.isConnected) this.connectedCallback(); }
  }

  window.experiments = { published, variant, track };
  customElements.define("experiment-slot", Slot);
})();
