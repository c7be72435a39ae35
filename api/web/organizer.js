// For organizers: events and their sales, bookings, the door.

import { every, get, patch, post, postOnce, session } from "./api.js";
import { liveCount } from "./counts.js";
import { showDoor } from "./door.js";
import { confirmed, doing, field, h, notice, put } from "./dom.js";
import { figures, salesChart } from "./sales.js";
import { start } from "./shell.js";
import { showWebhook, showWebhooks } from "./webhooks.js";
import { count, many, money, shortTime, when } from "./words.js";

const SEATS_MAX = 1000;

async function showEvents(into, signal) {
  requireKey();
  const events = await every("/v1/events", signal);
  events.sort((a, b) => a.starts_at.localeCompare(b.starts_at));
  put(into,
    h("h1", {}, "Events"),
    h("p", {}, h("a", { class: "button", href: "#/new" }, "New event")),
    events.length === 0 ? h("p", {}, "No events yet.") : h("div", { class: "card scroll", tabindex: "0", role: "region", "aria-label": "Events" },
      h("table", {},
        h("thead", {}, h("tr", {}, ["Event", "When", "State"].map((text) => h("th", { scope: "col" }, text)),
          ["Booked", "Held", "Left", "Waiting"].map((text) => h("th", { scope: "col", class: "number" }, text)))),
        h("tbody", {}, events.map((event) => h("tr", {},
          h("td", {}, h("a", { href: `#/event/${event.event_id}` }, event.name)),
          h("td", {}, shortTime(event.starts_at)),
          h("td", {}, stateTag(event)),
          [event.booked, event.held, event.available, event.waiting].map((n) => h("td", { class: "number" }, count(n)))))))));
}

function stateTag(event) {
  if (event.status === "cancelled") return h("span", { class: "tag bad" }, "cancelled");
  if (event.status === "closed") return h("span", { class: "tag" }, "closed");
  if (event.available === 0) return h("span", { class: "tag bad" }, "sold out");
  return h("span", { class: "tag good" }, "open");
}

async function showNew(into, signal) {
  requireKey();
  const venues = await every("/v1/venues", signal);
  const place = h("div", {});
  const input = (properties) => h("input", properties);
  const name = input({ required: true, maxlength: 200 });
  const startsAt = input({ type: "datetime-local", required: true });
  const venue = h("select", { onchange: showVenue },
    venues.map((each) => h("option", { value: each.venue_id }, `${each.name} (${count(each.capacity)})`)),
    h("option", { value: "" }, "A new venue …"));
  const venueName = input({ maxlength: 200 });
  const venueCapacity = input({ type: "number", min: 1, max: 1_000_000, inputmode: "numeric" });
  const newVenue = h("div", { class: "fields" }, field("Name of the venue", venueName), field("Places in the venue", venueCapacity));
  const capacity = input({ type: "number", min: 1, inputmode: "numeric" });
  const perUser = input({ type: "number", min: 1, inputmode: "numeric" });
  const holdSeconds = input({ type: "number", min: 1, max: 86_400, value: 300, required: true, inputmode: "numeric" });
  const opensAt = input({ type: "datetime-local" });
  const closesAt = input({ type: "datetime-local" });
  const categories = rowsOf("Category", () => [
    ["Name", input({ required: true, maxlength: 200, placeholder: "Stalls" })],
    ["Price", input({ type: "number", min: 0, step: "0.01", required: true, value: "0.00", inputmode: "decimal" })],
    ["Places (optional)", input({ type: "number", min: 1, inputmode: "numeric" })],
  ], () => { offerCategories(); showSeats(); });
  const blocks = rowsOf("Block of rows", () => [
    ["Section", input({ maxlength: 40, placeholder: "A" })],
    ["First row", input({ type: "number", min: 1, value: 1, required: true, inputmode: "numeric" })],
    ["Last row", input({ type: "number", min: 1, value: 10, required: true, inputmode: "numeric" })],
    ["Seats in each", input({ type: "number", min: 1, max: SEATS_MAX, value: 20, required: true, inputmode: "numeric" })],
    ["Category", categoryChoice(null)],
  ], showSeats);
  const seatSum = h("p", { class: "soft", role: "status" });
  const button = h("button", {}, "Create the event");

  function categoryChoice(chosen) {
    const names = categories.values().map(([label]) => label).filter(Boolean);
    return h("select", { class: "category" }, names.length ? null : h("option", { value: "" }, "none"),
      names.map((label) => h("option", { value: label, selected: label === chosen }, label)));
  }
  function offerCategories() {
    for (const select of blocks.element.querySelectorAll("select.category"))
      put(select, ...categoryChoice(select.value).children);
  }
  function showVenue() {
    newVenue.hidden = venue.value !== "";
    for (const each of [venueName, venueCapacity]) each.required = venue.value === "";
  }
  function seats() {
    return blocks.values().flatMap(([section, first, last, each, category]) =>
      Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => ({
        section, row: String(Number(first) + n), seats: Number(each), ...(category ? { category } : {}),
      })));
  }
  function showSeats() {
    const rows = seats();
    const sum = rows.reduce((total, row) => total + row.seats, 0);
    seatSum.textContent = rows.length ? `${many(sum, "seat", "seats")} in ${many(rows.length, "row", "rows")}, best row first.` : "Without blocks, places are not numbered.";
  }
  const time = (control) => (control.value ? new Date(control.value).toISOString() : undefined);
  const number = (control) => (control.value ? Number(control.value) : undefined);

  const create = doing(button, place, async () => {
    const venueId = venue.value || (await postOnce("/v1/venues", { name: venueName.value, capacity: number(venueCapacity) })).venue_id;
    const event = await postOnce("/v1/events", {
      venue_id: venueId, name: name.value, starts_at: time(startsAt), capacity: number(capacity),
      sales_open_at: time(opensAt), sales_close_at: time(closesAt),
      limit_per_user: number(perUser), hold_seconds: number(holdSeconds),
      categories: categories.values().map(([label, price, places]) => ({
        name: label, price_cents: Math.round(Number(price) * 100), ...(places ? { capacity: Number(places) } : {}),
      })),
      seats: seats(),
    });
    location.hash = `#/event/${event.event_id}`;
  });
  put(into,
    h("h1", {}, "New event"),
    h("form", { class: "card", onsubmit: create },
      h("div", { class: "fields" }, field("Name", name), field("Starts", startsAt)),
      h("div", { class: "fields" }, field("Venue", venue), field("Places on sale (optional)", capacity, "All seats, or all of the venue, where not given.")),
      newVenue,
      h("fieldset", {}, h("legend", {}, "Categories and prices"), categories.element),
      h("fieldset", {}, h("legend", {}, "Seats"), blocks.element, seatSum),
      h("fieldset", {}, h("legend", {}, "Sales"),
        h("div", { class: "fields" },
          field("Open from (optional)", opensAt), field("Close at (optional)", closesAt),
          field("Tickets for one user at most (optional)", perUser), field("A hold lasts, in seconds", holdSeconds))),
      place, h("div", { class: "buttons" }, button)));
  showVenue();
  showSeats();
}

/** A list of rows of fields that can be added to and taken from. */
function rowsOf(what, controls, onChange) {
  const list = h("div", { class: "rows" });
  const add = h("button", { type: "button", class: "quiet small", onclick: () => { addRow(); onChange(); } }, `Add a ${what.toLowerCase()}`);
  function addRow() {
    const row = h("div", { class: "fields row", role: "group", "aria-label": what, oninput: onChange });
    row.controls = controls();
    put(row, row.controls.map(([label, control]) => field(label, control)),
      h("button", { type: "button", class: "quiet small", "aria-label": `Remove this ${what.toLowerCase()}`, onclick: () => { row.remove(); onChange(); add.focus(); } }, "Remove"));
    list.append(row);
    row.controls[0][1].focus();
  }
  return {
    element: h("div", {}, list, add),
    values: () => [...list.children].map((row) => row.controls.map(([, control]) => control.value.trim())),
  };
}

async function showEvent(into, signal, eventId) {
  requireKey();
  const event = await get(`/v1/events/${eventId}`, signal);
  const categories = (await get(`/v1/events/${eventId}/categories`, signal)).items;
  const place = h("div", {});
  const state = h("p", {}, stateTag(event));
  const capacity = h("input", { type: "number", min: 0, required: true, value: event.capacity, inputmode: "numeric" });
  const open = h("button", { class: "quiet" }, "Open sales");
  const close = h("button", { class: "quiet" }, "Close sales");
  const cancel = h("button", { class: "danger" }, "Cancel the event");
  const change = h("button", {}, "Change");

  const command = (button, work, done) =>
    doing(button, place, async () => {
      const changed = await work();
      if (!changed) return;
      showState(changed);
      put(place, notice("good", done(changed)));
    });
  function showState(now) {
    put(state, stateTag(now));
    open.hidden = now.status !== "closed";
    close.hidden = now.status !== "open";
    cancel.hidden = now.status === "cancelled";
  }
  open.addEventListener("click", command(open, () => post(`/v1/events/${eventId}/open`), () => "Sales are open."));
  close.addEventListener("click", command(close, () => post(`/v1/events/${eventId}/close`), () => "Sales are closed. Holds can still be booked."));
  cancel.addEventListener("click", command(cancel, async () =>
    (await confirmed(`Cancel ${event.name} and all of its bookings? This can't be taken back.`, "Cancel the event"))
      ? post(`/v1/events/${eventId}/cancel`) : null, () => "The event is cancelled; its bookings follow."));
  const form = h("form", {
      onsubmit: command(change, () => patch(`/v1/events/${eventId}`, { capacity: Number(capacity.value) }),
        (now) => `${many(now.capacity, "place is", "places are")} on sale.`),
    }, field("Places on sale", capacity), change);

  put(into,
    h("p", {}, h("a", { href: "#/" }, "← All events")),
    h("h1", {}, event.name),
    h("p", { class: "soft" }, when(event.starts_at)), state,
    h("div", { class: "columns" },
      h("div", { class: "stack" },
        h("div", { class: "card" }, liveCount(event, signal)),
        h("section", { class: "card", "aria-label": "Sales" }, h("h2", {}, "Sales"), salesChart(eventId, signal), figures(eventId, signal)),
        categories.length ? h("section", { class: "card", "aria-label": "Categories" }, h("h2", {}, "Categories"), categoryTable(categories)) : null),
      h("section", { class: "card", "aria-label": "Change" }, h("h2", {}, "Change"), place, form,
        h("div", { class: "buttons" }, open, close, cancel),
        h("p", {}, h("small", {}, "Event ", h("code", {}, eventId))))));
  showState(event);
}

function categoryTable(categories) {
  return h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Category"), ["Price", "Taken", "Left"].map((text) => h("th", { scope: "col", class: "number" }, text)))),
    h("tbody", {}, categories.map((each) => h("tr", {}, h("td", {}, each.name),
      [money(each.price_cents), count(each.taken), count(each.available)].map((text) => h("td", { class: "number" }, text))))));
}

async function showBookings(into, signal, given = "") {
  requireKey();
  const id = h("input", { required: true, value: given, spellcheck: "false", autocomplete: "off" });
  const kind = h("select", {}, h("option", { value: "booking" }, "Booking id"), h("option", { value: "user" }, "User id"));
  const place = h("div", {});
  const found = h("div", {});
  const button = h("button", {}, "Search");
  const search = doing(button, place, async () => {
    put(found);
    const path = encodeURIComponent(id.value.trim());
    const bookings = kind.value === "booking" ? [await get(`/v1/bookings/${path}`, signal)] : await every(`/v1/users/${path}/bookings`, signal);
    put(found, bookings.length ? bookings.map((booking) => bookingCard(booking, search)) : notice("", "This user has no bookings."));
  });
  put(into,
    h("h1", {}, "Bookings"),
    h("form", { class: "card", onsubmit: search },
      h("div", { class: "fields" }, field("By", kind), field("Id", id)), place, button),
    h("div", { class: "stack found", "aria-live": "polite" }, found));
  if (given) search();
}

function bookingCard(booking, again) {
  const place = h("div", {});
  const left = booking.quantity - booking.cancelled_quantity;
  const cancel = h("button", { class: "danger" }, "Cancel the booking");
  cancel.addEventListener("click", doing(cancel, place, async () => {
    if (!(await confirmed(`Cancel ${many(left, "ticket", "tickets")} of this booking?`, "Cancel them"))) return;
    await post(`/v1/bookings/${booking.booking_id}/cancel`);
    await again();
  }));
  return h("section", { class: "card", "aria-label": `Booking ${booking.booking_id}` },
    h("h2", {}, many(left, "ticket", "tickets"), " ", h("span", { class: booking.status === "booked" ? "tag good" : "tag bad" }, booking.status)),
    h("dl", {},
      [["Booking", h("code", {}, booking.booking_id)], ["Event", h("a", { href: `#/event/${booking.event_id}` }, h("code", {}, booking.event_id))],
       ["User", h("code", {}, booking.user_id)], ["Seats", booking.seats.join(", ") || "not numbered"], ["Category", booking.category ?? "none"],
       ["Amount", money(booking.amount_cents)], ["Booked", shortTime(booking.booked_at)], ["Entry", `${booking.entry.version} of its stream`]]
        .flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])),
    place, booking.status === "booked" ? h("div", { class: "buttons" }, cancel) : null);
}

function requireKey() {
  if (!session.key) throw Object.assign(new Error("This part is for organizers."), { code: "unauthenticated" });
}

start({
  place: "Organizer",
  links: [["#/", "Events"], ["#/new", "New event"], ["#/bookings", "Bookings"], ["#/door", "Door"], ["#/webhooks", "Webhooks"]],
  parts: { "": showEvents, new: showNew, event: showEvent, bookings: showBookings, door: showDoor, webhooks: showWebhooks, webhook: showWebhook },
});
