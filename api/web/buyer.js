// For buyers: events, one event with its places, my tickets.

import { every, get, blob, post, remove, session } from "./api.js";
import { liveCount } from "./counts.js";
import { confirmed, doing, field, h, notice, put } from "./dom.js";
import { SeatMap } from "./seatmap.js";
import { signIn, start } from "./shell.js";
import { clock, count, many, money, shortTime, when } from "./words.js";

const SEATS_EVERY_MS = 400;
const LINE_EVERY_MS = 2000;
const LIST_EVERY_MS = 5000;
const QUANTITY_MAX = 100;

async function showEvents(into, signal) {
  const list = h("ul", { class: "stubs" });
  const fill = async () => {
    const events = await every("/v1/events", signal);
    events.sort((a, b) => a.starts_at.localeCompare(b.starts_at));
    put(list, ...events.map(eventStub));
    return events.length;
  };
  const none = (await fill()) === 0;
  put(into, h("h1", {}, "What’s on"), none ? h("p", {}, "No events yet. Please come back soon.") : list);
  const timer = setInterval(() => {
    // Not while somebody is about to follow a link: its element would be replaced.
    if (!document.hidden && !list.contains(document.activeElement)) fill().catch(() => {});
  }, LIST_EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function eventStub(event) {
  const prices = event.categories.map((each) => each.price_cents);
  const from = prices.length ? `from ${money(Math.min(...prices))} · ` : "";
  return h("li", { class: "stub" },
    h("div", {},
      h("h2", {}, h("a", { href: `#/event/${event.event_id}` }, event.name)),
      h("p", { class: "soft" }, when(event.starts_at)),
      h("small", {}, from, event.seat_count ? "choose your seats" : "free choice of places")),
    h("div", { class: "torn" }, ...stubState(event)));
}

function stubState(event) {
  if (event.status === "cancelled") return [h("span", { class: "tag bad" }, "cancelled")];
  if (event.status === "closed") return [h("span", { class: "tag" }, "not on sale")];
  if (event.available === 0) return [h("span", { class: "tag bad" }, "sold out"), h("small", {}, "waiting list")];
  return [h("b", {}, count(event.available)), h("small", {}, event.available === 1 ? "place left" : "places left")];
}

async function showEvent(into, signal, eventId) {
  const event = await get(`/v1/events/${eventId}`, signal);
  const [categories, seats] = await Promise.all([
    get(`/v1/events/${eventId}/categories`, signal),
    event.seat_count ? get(`/v1/events/${eventId}/seats`, signal) : null,
  ]);
  const aside = h("div", { class: "order" });
  const order = orderForm(event, categories.items, seats, (hold) => showHold(hold), () => showLine());
  const counts = h("div", { class: "card counts" },
    liveCount(event, signal, (now) => order.update(now)));
  put(into, 
    h("p", {}, h("a", { href: "#/" }, "← All events")),
    h("h1", {}, event.name),
    h("p", { class: "soft" }, when(event.starts_at), event.sales_close_at ? ` · on sale until ${shortTime(event.sales_close_at)}` : ""),
    event.status === "cancelled" ? notice("bad", "This event is cancelled.") : null,
    h("div", { class: order.places ? "event seated" : "event" }, counts, order.places, aside));

  function showOrder() { put(aside, order.element); }
  function showHold(hold) {
    session.keep(`hold.${eventId}`, hold.hold_id);
    put(aside, holdCard(hold, signal, (again) => {
      session.keep(`hold.${eventId}`, null);
      if (again) { order.clear(); showOrder(); }
    }));
  }
  function showLine() { put(aside, lineCard(event, signal, showHold, showOrder)); }

  if (event.status === "cancelled") return;
  const holdId = session.kept(`hold.${eventId}`);
  const hold = holdId && session.key ? await get(`/v1/holds/${holdId}`, signal).catch(() => null) : null;
  if (hold?.status === "held") showHold(hold);
  else if (session.kept(`line.${eventId}`)) showLine();
  else showOrder();
}

function orderForm(event, categories, seats, onHold, onLine) {
  const place = h("div", {});
  const most = Math.min(event.limit_per_order ?? QUANTITY_MAX, event.limit_per_user ?? QUANTITY_MAX, QUANTITY_MAX);
  const quantity = h("input", { type: "number", min: 1, max: most, value: 1, required: true, inputmode: "numeric" });
  const step = (by) => { quantity.value = Math.min(most, Math.max(1, Number(quantity.value) + by)); showSum(); };
  const stepper = h("div", { class: "stepper" },
    h("button", { type: "button", class: "quiet", "aria-label": "One fewer", onclick: () => step(-1) }, "−"),
    quantity,
    h("button", { type: "button", class: "quiet", "aria-label": "One more", onclick: () => step(1) }, "+"));
  const category = categories.length > 1
    ? h("select", { required: true, onchange: () => showSum() },
        categories.map((each) => h("option", { value: each.name }, `${each.name} · ${money(each.price_cents)}`)))
    : null;
  const sum = h("p", { role: "status" });
  const button = h("button", {}, "Hold these places");
  const waiting = h("button", { type: "button", class: "quiet", onclick: () => whenSignedIn(onLine) }, "Join the waiting list");
  const lineHint = h("div", { hidden: true }, h("p", {}, "All places are taken. If some come back, the first in line are offered them."), waiting);
  const chosenText = h("p", {});

  const map = seats?.rows.length ? new SeatMap(seats, most, () => showSum()) : null;
  const chosen = () => (map ? [...map.chosen] : []);
  const priceOf = (name) => categories.find((each) => each.name === name)?.price_cents ?? categories[0]?.price_cents ?? 0;

  function showSum() {
    const own = chosen();
    const total = own.length
      ? own.reduce((cents, seat) => cents + priceOf(map.seats.get(seat).category), 0)
      : Number(quantity.value) * priceOf(category?.value);
    stepperField.hidden = own.length > 0;
    if (categoryField) categoryField.hidden = own.length > 0;
    put(chosenText, 
      ...(own.length
        ? [h("strong", {}, many(own.length, "seat", "seats"), ": "), own.join(", "), " ",
           h("button", { type: "button", class: "quiet small", onclick: () => map.clear() }, "Clear")]
        : map ? ["Choose seats on the map, or let us find the best ones side by side."] : []));
    sum.textContent = categories.length ? `Total: ${money(total)}` : "";
  }

  const hold = doing(button, place, async () => {
    if (!session.user && !(await signIn())) return;
    const own = chosen();
    const body = { event_id: event.event_id, user_id: session.user };
    if (own.length) body.seats = own;
    else body.quantity = Number(quantity.value);
    const named = own.length ? map.seats.get(own[0]).category : (category?.value ?? categories[0]?.name);
    if (named) body.category = named;
    try {
      onHold(await post("/v1/holds", body));
    } catch (error) {
      if (error.code === "seat-taken") refresh.soon();
      throw error;
    }
  });

  async function whenSignedIn(then) {
    if (session.user || (await signIn())) then();
  }

  const stepperField = field(map ? "How many, side by side" : "How many", quantity);
  stepperField.replaceChild(stepper, quantity);
  stepper.children[0].after(quantity);
  const categoryField = category ? field("Category", category) : null;
  quantity.addEventListener("input", showSum);

  const refresh = seats && refresher(async () => {
    const lost = map.update(await get(`/v1/events/${event.event_id}/seats`));
    if (lost.length)
      put(place, notice("bad", `Somebody was faster: ${lost.join(", ")} ${lost.length === 1 ? "is" : "are"} taken.`));
  });
  const form = h("form", { onsubmit: hold }, chosenText, categoryField, stepperField, sum, place, h("div", { class: "buttons" }, button));
  const element = h("section", { class: "card", "aria-label": "Your places" }, h("h2", {}, "Your places"), form, lineHint);
  function update(counts) {
    lineHint.hidden = counts.available > 0;
    form.hidden = counts.available === 0;
    refresh?.soon();
  }
  showSum();
  update(event);
  return {
    element, update,
    clear: () => { map?.clear(); refresh?.soon(); },
    places: map ? h("section", { class: "card places", "aria-label": "Seat map" }, h("h2", {}, "Choose seats"), map.element) : null,
  };
}

/** Runs `work` soon, one at a time and not too often, however often it is asked to. */
function refresher(work) {
  let isDue = false;
  let isBusy = false;
  let last = 0;
  async function run() {
    while (isDue) {
      isDue = false;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, last + SEATS_EVERY_MS - Date.now())));
      last = Date.now();
      await work().catch(() => {});
    }
    isBusy = false;
  }
  return { soon() { isDue = true; if (!isBusy) { isBusy = true; run(); } } };
}

function holdCard(hold, signal, onOver) {
  const place = h("div", {});
  const timer = h("p", { class: "timer", "aria-hidden": "true" });
  const spoken = h("p", { class: "soft", role: "status" });
  const buy = h("button", {}, "Book now");
  const letGo = h("button", { type: "button", class: "quiet" }, "Let them go");
  const ends = new Date(hold.expires_at);
  const card = h("section", { class: "card", "aria-label": "Held for you" },
    h("h2", {}, "Held for you"), timer, spoken,
    h("p", {}, h("strong", {}, many(hold.quantity, "place", "places")), hold.seats.length ? `: ${hold.seats.join(", ")}` : "",
      hold.amount_cents ? `, ${money(hold.amount_cents)}` : ""),
    place, h("div", { class: "buttons" }, buy, letGo));
  spoken.textContent = `Until ${ends.toLocaleTimeString()} nobody else can have them.`;
  let isSoon = false;
  const ticking = setInterval(tick, 250);
  const stop = () => clearInterval(ticking);
  signal.addEventListener("abort", stop);
  function tick() {
    const left = ends - Date.now();
    timer.textContent = clock(left);
    if (left <= 30_000 && left > 0 && !isSoon) {
      isSoon = true;
      timer.classList.add("soon");
      spoken.textContent = "Half a minute left.";
    }
    if (left <= 0) over(notice("bad", "The time is over: your places went back on sale."));
  }
  function over(message) {
    stop();
    onOver(false);
    const again = h("button", { onclick: () => onOver(true) }, "Choose again");
    put(card, message, h("div", { class: "buttons" }, again));
  }
  buy.addEventListener("click", doing(buy, place, async () => {
    try {
      await post(`/v1/holds/${hold.hold_id}/confirm`);
    } catch (error) {
      if (["hold-expired", "hold-released"].includes(error.code)) return over(notice("bad", error.message));
      throw error;
    }
    stop();
    onOver(false);
    put(card, 
      notice("good", h("strong", {}, "Booked. "), "Your tickets are ready."),
      h("div", { class: "buttons" },
        h("a", { class: "button", href: "#/tickets" }, "Show my tickets"),
        h("button", { class: "quiet", onclick: () => onOver(true) }, "Book more")));
  }));
  letGo.addEventListener("click", doing(letGo, place, async () => {
    await post(`/v1/holds/${hold.hold_id}/release`);
    stop();
    onOver(true);
  }));
  tick();
  return card;
}

function lineCard(event, signal, onHold, onLeft) {
  const place = h("div", {});
  const words = h("p", { role: "status" });
  const name = `line.${event.event_id}`;
  const path = `/v1/events/${event.event_id}/waiting-list`;
  const quantity = h("input", { type: "number", min: 1, max: event.limit_per_user ?? QUANTITY_MAX, value: 1, required: true, inputmode: "numeric" });
  const category = event.categories.length > 1
    ? h("select", {}, event.categories.map((each) => h("option", {}, each.name))) : null;
  const join = h("button", {}, "Get in line");
  const leave = h("button", { type: "button", class: "quiet" }, "Leave the line");
  const back = h("button", { type: "button", class: "quiet", onclick: onLeft }, "Back");
  const form = h("form", {
      onsubmit: doing(join, place, async () => {
        const body = { user_id: session.user, quantity: Number(quantity.value) };
        const named = category?.value ?? event.categories[0]?.name;
        if (named) body.category = named;
        const waiting = await post(path, body);
        session.keep(name, waiting.waiting_id);
        show(waiting);
      }),
    },
    h("p", {}, "When places come back, the first in line gets them held for a while, without having to be quick."),
    field("How many", quantity), category ? field("Category", category) : null, place,
    h("div", { class: "buttons" }, join, back));
  const card = h("section", { class: "card", "aria-label": "Waiting list" }, h("h2", {}, "Waiting list"), form);
  const timer = setInterval(ask, LINE_EVERY_MS);
  const stop = () => clearInterval(timer);
  signal.addEventListener("abort", stop);

  async function ask() {
    const waitingId = session.kept(name);
    if (!waitingId || !card.isConnected) return;
    try {
      show(await get(`${path}/${waitingId}`, signal));
    } catch (error) {
      if (error.code === "not-waiting") { session.keep(name, null); onLeft(); }
    }
  }
  async function show(waiting) {
    if (waiting.hold_id) {
      stop();
      session.keep(name, null);
      return onHold(await get(`/v1/holds/${waiting.hold_id}`, signal));
    }
    if (waiting.status !== "waiting") { stop(); session.keep(name, null); return onLeft(); }
    const text = waiting.ahead === 0 ? "You are the first in line." : `${many(waiting.ahead, "order is", "orders are")} ahead of you.`;
    if (words.textContent !== text) words.textContent = text;
    if (!words.isConnected)
      put(card, h("h2", {}, "You are in line"), words,
        h("p", { class: "soft" }, "Leave this page open: an offer appears here by itself."), place, h("div", { class: "buttons" }, leave));
  }
  leave.addEventListener("click", doing(leave, place, async () => {
    await remove(`${path}/${session.kept(name)}`);
    session.keep(name, null);
    stop();
    onLeft();
  }));
  ask();
  return card;
}

async function showTickets(into, signal) {
  if (!session.user) throw Object.assign(new Error("Your tickets are shown to you alone."), { code: "unauthenticated" });
  const bookings = await every(`/v1/users/${session.user}/bookings`, signal);
  const names = new Map((await every("/v1/events", signal)).map((event) => [event.event_id, event]));
  bookings.reverse();
  put(into, 
    h("h1", {}, "My tickets"),
    bookings.length
      ? h("ul", { class: "stubs" }, bookings.map((booking) => bookingCard(booking, names.get(booking.event_id), () => showTickets(into, signal))))
      : h("p", {}, "No tickets yet. ", h("a", { href: "#/" }, "See what’s on"), "."));
}

function bookingCard(booking, event, onChange) {
  const place = h("div", {});
  const tickets = h("div", { class: "tickets" });
  const isLive = booking.status === "booked";
  const left = booking.quantity - booking.cancelled_quantity;
  const name = event?.name ?? "Event";
  const show = h("button", { "aria-expanded": "false" }, left === 1 ? "Show the ticket" : `Show ${count(left)} tickets`);
  const receipt = h("button", { class: "quiet" }, "Receipt");
  const cancel = h("button", { class: "danger" }, "Cancel");
  show.addEventListener("click", doing(show, place, async () => {
    if (tickets.hasChildNodes()) { tickets.replaceChildren(); show.setAttribute("aria-expanded", "false"); return; }
    const { items } = await get(`/v1/bookings/${booking.booking_id}/tickets`);
    const pictures = await Promise.all(items.map((each) => blob(`/v1/bookings/${booking.booking_id}/tickets/${each.ticket}.svg`)));
    put(tickets, h("ul", { class: "stubs" }, items.map((each, index) => ticketStub(name, event, each, pictures[index]))));
    show.setAttribute("aria-expanded", "true");
  }));
  receipt.addEventListener("click", doing(receipt, place, async () => {
    const file = URL.createObjectURL(await blob(`/v1/bookings/${booking.booking_id}/receipt`));
    h("a", { href: file, download: `receipt-${booking.booking_id}.tlog-proof` }).click();
    URL.revokeObjectURL(file);
  }));
  cancel.addEventListener("click", doing(cancel, place, async () => {
    const question = `Give back ${many(left, "ticket", "tickets")} for ${name}?`;
    if (!(await confirmed(question, "Yes, cancel"))) return;
    await post(`/v1/bookings/${booking.booking_id}/cancel`);
    await onChange();
  }));
  return h("li", { class: "card" },
    h("h2", {}, name, " ", isLive ? null : h("span", { class: "tag bad" }, "cancelled")),
    h("p", { class: "soft" }, event ? when(event.starts_at) : ""),
    h("p", {}, many(isLive ? left : booking.quantity, "ticket", "tickets"),
      booking.category ? `, ${booking.category}` : "", booking.seats.length ? `: ${booking.seats.join(", ")}` : "",
      booking.amount_cents ? ` · ${money(booking.amount_cents)}` : "",
      h("br"), h("small", {}, `Booked ${shortTime(booking.booked_at)} · no. `, h("code", {}, booking.booking_id))),
    place, isLive ? h("div", { class: "buttons" }, show, receipt, cancel) : null, tickets);
}

function ticketStub(name, event, ticket, picture) {
  const src = URL.createObjectURL(picture);
  const seat = ticket.seat ? `Seat ${ticket.seat}` : `Ticket ${ticket.ticket}`;
  return h("li", { class: "stub ticket" },
    h("div", {}, h("h3", {}, seat), h("p", {}, name), h("p", { class: "soft" }, event ? when(event.starts_at) : ""),
      ticket.checked_in_at ? h("span", { class: "tag good" }, `went in ${shortTime(ticket.checked_in_at)}`) : null,
      h("details", {}, h("summary", {}, "Code to type in"), h("code", {}, ticket.code))),
    h("div", { class: "torn" }, h("img", { src, alt: `QR code of ${seat.toLowerCase()}`, onload: () => URL.revokeObjectURL(src) })));
}

start({
  place: "",
  needsUser: true,
  links: [["#/", "Events"], ["#/tickets", "My tickets"]],
  parts: { "": showEvents, event: showEvent, tickets: showTickets },
});
