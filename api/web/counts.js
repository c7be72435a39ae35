// The live count of an event: a number, a bar, and whether the feed is open.

import { watch } from "./api.js";
import { h } from "./dom.js";
import { count, many } from "./words.js";

/** An element that follows an event until the signal; `onCounts` gets each newer counts too. */
export function liveCount(event, signal, onCounts) {
  const number = h("b", { "data-testid": "available" }, count(event.available));
  const of = h("span", { class: "soft" });
  const booked = h("i");
  const held = h("i");
  const live = h("span", { class: "live" }, "Connecting");
  const words = h("p", { class: "soft", role: "status" });
  let wasSoldOut = null;

  function show(counts) {
    number.textContent = count(counts.available);
    of.textContent = `of ${many(counts.capacity, "place", "places")} left`;
    const share = (n) => `${counts.capacity ? (100 * n) / counts.capacity : 0}%`;
    booked.style.width = share(counts.booked);
    held.style.width = share(counts.held);
    const isSoldOut = counts.available === 0;
    if (isSoldOut !== wasSoldOut)
      words.textContent = isSoldOut
        ? counts.held > 0 ? "All places are taken just now; some are only held and may come back." : "Sold out."
        : wasSoldOut ? "There are places again." : "";
    wasSoldOut = isSoldOut;
  }

  show(event);
  watch(event.event_id, signal,
    (counts) => { show(counts); onCounts?.(counts); },
    (isOpen) => {
      live.classList.toggle("on", isOpen);
      live.textContent = isOpen ? "Live" : "Connecting again";
    });
  return h("section", { "aria-label": "Places left" },
    h("p", { class: "count" }, number, of),
    h("div", { class: "bar", "aria-hidden": "true" }, booked, held), words, live);
}
