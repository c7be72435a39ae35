// What the pages share: frame, signing in, and which part is shown for which address.

import { session } from "./api.js";
import { field, h, s } from "./dom.js";

const TICKET = "M3 8a2 2 0 0 0 2-2h14a2 2 0 0 0 2 2v2.5a1.8 1.8 0 0 0 0 3V16a2 2 0 0 0-2 2H5a2 2 0 0 0-2-2v-2.5a1.8 1.8 0 0 0 0-3zM14.5 6v2m0 2.5v3m0 2.5v2";
const UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";

/**
 * Shows the page. `parts` maps the first word of the address after # to a function that fills main;
 * it gets the other words and a signal that ends when the visitor goes on.
 */
export function start({ place, needsUser = false, links, parts }) {
  const main = h("main", { class: "wide", id: "main" });
  const nav = h("nav", { "aria-label": "Sections" }, links.map(([href, text]) => h("a", { href }, text)));
  const signedIn = h("div", { class: "buttons session" });
  document.body.prepend(
    h("a", { class: "skip", href: "#main", onclick: (e) => { e.preventDefault(); main.querySelector("h1")?.focus(); } }, "Skip to content"),
    h("header", { class: "top" },
      h("div", { class: "wide" },
        h("a", { class: "brand", href: "#/" },
          s("svg", { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": "1.6", "aria-hidden": "true" }, s("path", { d: TICKET })),
          "FlashTicket", place ? h("span", {}, place) : null),
        nav, signedIn)),
    main,
    h("footer", {},
      h("div", { class: "wide" },
        h("a", { href: "/" }, "Tickets"), h("a", { href: "/organizer" }, "For organizers"),
        h("a", { href: "/auditor" }, "For auditors"), h("a", { href: "/docs" }, "API"))));

  let leave = new AbortController();
  async function show() {
    leave.abort();
    leave = new AbortController();
    const { signal } = leave;
    const [name = "", ...words] = location.hash.replace(/^#\/?/, "").split("/");
    for (const link of nav.children) {
      if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const part = parts[name] ?? parts[""];
    const into = h("div", {}, h("p", { class: "soft", role: "status" }, "One moment …"));
    main.replaceChildren(into);
    try {
      await part(into, signal, ...words.map(decodeURIComponent));
    } catch (error) {
      if (signal.aborted) return;
      if (error.code === "unauthenticated" || error.code === "forbidden") showSignIn(into, error.message);
      else {
        const again = h("button", { onclick: show }, "Try again");
        into.replaceChildren(h("h1", { tabindex: "-1" }, "That did not work"), h("p", { role: "alert" }, error.message), again);
      }
      if (!error.code) console.error(error);
    }
    if (signal.aborted) return;
    const title = into.querySelector("h1");
    document.title = `${title?.textContent ?? place} · FlashTicket`;
    if (show.isAgain) { title?.setAttribute("tabindex", "-1"); title?.focus({ preventScroll: true }); scrollTo(0, 0); }
    show.isAgain = true;
  }

  function showSession() {
    const who = session.user ? `user …${session.user.slice(-6)}` : `key …${session.key?.slice(-4)}`;
    signedIn.replaceChildren(
      ...(session.key
        ? [h("small", {}, who), h("button", { class: "quiet small", onclick: () => { session.end(); showSession(); show(); } }, "Sign out")]
        : [h("button", { class: "quiet small", onclick: () => signIn(needsUser).then((done) => { if (done) { showSession(); show(); } }) }, "Sign in")]));
  }

  function showSignIn(into, why) {
    const form = signInForm(needsUser, () => { showSession(); show(); });
    into.replaceChildren(h("h1", { tabindex: "-1" }, "Please sign in"), h("p", {}, why), h("div", { class: "card narrow" }, form));
  }

  addEventListener("hashchange", show);
  addEventListener("flashticket-session", showSession);
  showSession();
  return show();
}

function signInForm(needsUser, done) {
  const key = h("input", { type: "password", required: true, autocomplete: "off", spellcheck: "false" });
  const user = needsUser
    ? h("input", { required: true, pattern: UUID, autocomplete: "off", spellcheck: "false", title: "A user id such as 0198c5a2-6f40-7cc2-b1a5-5d3e0a9b7c11" })
    : null;
  return h("form", {
      onsubmit: (event) => {
        event.preventDefault();
        session.begin(key.value.trim(), user?.value.trim().toLowerCase());
        dispatchEvent(new Event("flashticket-session"));
        done();
      },
    },
    field("API key", key, "It stays in this tab and is forgotten when you close it."),
    user ? field("User id", user, "For whom tickets are booked.") : null,
    h("button", {}, "Sign in"));
}

/** Asks for a key, and a user if need be; true once there is one. */
export function signIn(needsUser = true) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "sign-in", onclose: () => { dialog.remove(); resolve(session.key !== null); } },
      h("h2", { id: "sign-in" }, "Sign in"),
      signInForm(needsUser, () => dialog.close()));
    document.body.append(dialog);
    dialog.showModal();
  });
}
