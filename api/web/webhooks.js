// For organizers: where entries are sent, what came of it, and sending them again.

import { answer, every, get, postOnce } from "./api.js";
import { confirmed, doing, field, h, notice, put } from "./dom.js";
import { count, shortTime } from "./words.js";

const AGAIN_MS = 2000;
const TYPES = [
  "seats-booked", "booking-cancelled", "booking-transferred", "seats-held", "hold-confirmed", "hold-released",
  "hold-expired", "waiting-list-joined", "waiting-list-left", "ticket-checked-in", "check-in-annulled",
  "event-scheduled", "capacity-changed", "event-opened", "event-closed", "event-cancelled",
];
const nameOf = (type) => type.replace(/^com\.flashticket\./, "");

export async function showWebhooks(into, signal) {
  const [{ items }, events] = await Promise.all([get("/v1/webhooks", signal), every("/v1/events", signal)]);
  const names = new Map(events.map((event) => [event.event_id, event.name]));
  put(into,
    h("h1", {}, "Webhooks"),
    h("p", { class: "soft" }, "Tell another system of every booking as it is written: signed, in order, and again until it answers."),
    items.length === 0 ? h("p", {}, "Nothing is sent anywhere yet.") : webhookTable(items, names),
    newWebhook(events));
}

function webhookTable(items, names) {
  return h("div", { class: "card scroll", tabindex: "0", role: "region", "aria-label": "Webhooks" },
    h("table", {},
      h("thead", {}, h("tr", {}, ["Sent to", "What", "State"].map((text) => h("th", { scope: "col" }, text)),
        h("th", { scope: "col", class: "number" }, "To be sent"))),
      h("tbody", {}, items.map((each) => h("tr", {},
        h("td", {}, h("a", { href: `#/webhook/${each.webhook_id}` }, each.url)),
        h("td", {}, what(each, names)),
        h("td", {}, stateTag(each)),
        h("td", { class: "number" }, count(each.pending)))))));
}

function what(webhook, names) {
  const types = webhook.types.length ? webhook.types.map(nameOf).join(", ") : "everything";
  return webhook.event_id ? `${types} of ${names.get(webhook.event_id) ?? webhook.event_id}` : types;
}

function stateTag(webhook) {
  if (webhook.status === "disabled") return h("span", { class: "tag bad" }, "disabled");
  return h("span", { class: "tag good" }, "active");
}

function newWebhook(events) {
  const place = h("div", {});
  const url = h("input", { type: "url", required: true, maxlength: 2000, spellcheck: "false" });
  const event = h("select", {}, h("option", { value: "" }, "All events"),
    events.map((each) => h("option", { value: each.event_id }, each.name)));
  const types = h("select", { multiple: true, size: 6 },
    TYPES.map((name) => h("option", { value: `com.flashticket.${name}` }, name)));
  const button = h("button", {}, "Register");
  const register = doing(button, place, async () => {
    const made = await postOnce("/v1/webhooks", {
      url: url.value.trim(),
      types: [...types.selectedOptions].map((option) => option.value),
      event_id: event.value || null,
    });
    put(place, notice("good", "Registered. This is the secret that signs what is sent; it is not shown again: ",
      h("code", { class: "secret" }, made.secret), h("br"),
      h("a", { href: `#/webhook/${made.webhook_id}` }, "See what is delivered")));
  });
  return h("form", { class: "card", onsubmit: register },
    h("h2", {}, "New webhook"),
    field("Send to", url, "An https address on the public internet."),
    h("div", { class: "fields" },
      field("Of", event),
      field("Only these entries", types, "All, where none is chosen.")),
    place, h("div", { class: "buttons" }, button));
}

export async function showWebhook(into, signal, webhookId) {
  const path = `/v1/webhooks/${webhookId}`;
  const events = await every("/v1/events", signal);
  const names = new Map(events.map((event) => [event.event_id, event.name]));
  const place = h("div", {});
  const facts = h("dl", {});
  const rows = h("tbody", {});
  const only = h("input", { type: "checkbox" });
  const from = h("input", { type: "number", min: 0, required: true, inputmode: "numeric" });
  const again = h("button", { class: "quiet" }, "Send again from there");
  const enable = h("button", { class: "quiet" }, "Send now");
  const remove = h("button", { class: "danger" }, "Delete the webhook");
  const title = h("h1", {}, "Webhook");

  async function load() {
    const [webhook, { items }] = await Promise.all([
      get(path, signal), get(`${path}/deliveries?limit=50${only.checked ? "&only_pending=true" : ""}`, signal)]);
    put(facts, [
      ["Sent to", webhook.url], ["What", what(webhook, names)],
      ["State", webhook.status === "disabled" ? `Disabled ${shortTime(webhook.disabled_at)}. ${webhook.disabled_because}` : "Active"],
      ["To be sent", webhook.pending ? `${count(webhook.pending)}, the oldest of ${shortTime(webhook.oldest_pending_at)}` : "nothing"],
    ].flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
    enable.textContent = webhook.status === "disabled" ? "Enable" : "Send now";
    enable.hidden = webhook.status === "active" && !webhook.pending;
    put(rows, items.length ? items.map(row) : h("tr", {}, h("td", { colspan: 7 }, "Nothing yet.")));
  }

  function row(delivery) {
    const kinds = { delivered: "good", retrying: "bad", pending: "" };
    const button = h("button", { class: "quiet small", "aria-label": `Send entry ${delivery.seq} again` }, "Send again");
    button.addEventListener("click", doing(button, place, async () => {
      await postOnce(`${path}/replay`, { seq: delivery.seq });
      put(place, notice("good", `Entry ${count(delivery.seq)} is sent again.`));
      await load();
    }));
    return h("tr", {},
      h("td", { class: "number" }, count(delivery.seq)),
      h("td", {}, nameOf(delivery.type)),
      h("td", {}, names.get(delivery.event_id) ?? delivery.event_id),
      h("td", {}, h("span", { class: `tag ${kinds[delivery.status]}` }, delivery.status)),
      h("td", { class: "number" }, count(delivery.attempts)),
      h("td", {}, delivery.last_error ?? (delivery.answer_status ? `Answered ${delivery.answer_status}` : "")),
      h("td", {}, delivery.status === "delivered" ? button : null));
  }

  const command = (button, work, done) => doing(button, place, async (event) => {
    if ((await work(event)) === null) return;
    put(place, notice("good", done));
    await load();
  });
  enable.addEventListener("click", command(enable, () => postOnce(`${path}/enable`), "What waits is sent now."));
  remove.addEventListener("click", doing(remove, place, async () => {
    if (!(await confirmed("Delete this webhook? Nothing is sent there any more.", "Delete it"))) return;
    await answer("DELETE", path, { once: true });
    location.hash = "#/webhooks";
  }));
  const replay = command(again, () => postOnce(`${path}/replay`, { from_seq: Number(from.value) }), "Sent again from there on.");

  put(into,
    h("p", {}, h("a", { href: "#/webhooks" }, "← All webhooks")), title,
    h("div", { class: "card" }, facts, place, h("div", { class: "buttons" }, enable, remove)),
    h("section", { class: "card", "aria-label": "Deliveries" },
      h("h2", {}, "Recent deliveries"),
      h("p", {}, h("label", { class: "check" }, only, " Only what waits")),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Recent deliveries" },
        h("table", {},
          h("thead", {}, h("tr", {},
            h("th", { scope: "col", class: "number" }, "Entry"),
            ["What", "Event", "State"].map((text) => h("th", { scope: "col" }, text)),
            h("th", { scope: "col", class: "number" }, "Attempts"),
            h("th", { scope: "col" }, "Last answer"),
            h("td", {}))),
          rows))),
    h("form", { class: "card", onsubmit: replay },
      h("h2", {}, "Send again"),
      h("p", { class: "soft" }, "Entries keep their ids, so a receiver knows those it has had."),
      h("div", { class: "fields" }, field("From entry number", from)), again));
  only.addEventListener("change", () => load().catch(() => {}));
  await load();
  const timer = setInterval(() => load().catch(() => {}), AGAIN_MS); // the next try may do better
  signal.addEventListener("abort", () => clearInterval(timer));
}
