// The door: tickets let in, by the camera or by codes that are typed.

import { postOnce, session } from "./api.js";
import { watchCodes, whyNoCamera } from "./camera.js";
import { doing, field, h, notice, put } from "./dom.js";
import { many } from "./words.js";

const SAME_AGAIN_MS = 4000; // a ticket held into the picture is one ticket

export async function showDoor(into, signal) {
  if (!session.key) throw Object.assign(new Error("This part is for organizers."), { code: "unauthenticated" });
  const code = h("input", { required: true, spellcheck: "false", autocomplete: "off", autocapitalize: "off" });
  const button = h("button", {}, "Let in");
  const log = h("ol", { class: "door", "aria-live": "polite" });
  const done = h("p", { class: "soft" });
  const place = h("div", {});
  const video = h("video", { class: "camera", playsinline: true, muted: true, hidden: true, "aria-label": "What the camera sees" });
  const camera = h("button", { type: "button", class: "quiet" }, "Use the camera");
  let inside = 0;
  let watching = null;
  let last = { code: null, seenAt: 0 };

  async function check(given) {
    const line = h("li", { class: "notice" }, "One moment …");
    log.prepend(line);
    try {
      const ticket = await postOnce("/v1/check-ins", { code: given });
      inside += 1;
      const annul = h("button", { class: "quiet small" }, "Undo");
      const problem = h("span", {});
      annul.addEventListener("click", doing(annul, problem, async () => {
        await postOnce("/v1/check-ins/annul", { code: given });
        inside -= 1;
        line.className = "notice";
        put(line, `Taken back: ${ticket.seat ? `seat ${ticket.seat}` : `ticket ${ticket.ticket}`}.`);
        showCount();
      }));
      line.className = "notice good";
      put(line, h("strong", {}, "Come in. "), ticket.seat ? `Seat ${ticket.seat}. ` : `Ticket ${ticket.ticket}. `, annul, problem);
    } catch (error) {
      line.className = "notice bad";
      put(line, h("strong", {}, "Stop. "), error.message);
    }
    navigator.vibrate?.(line.className === "notice good" ? 60 : [60, 60, 200]);
    showCount();
  }

  function typed(event) {
    event.preventDefault();
    const given = code.value.trim();
    event.target.reset();
    code.focus(); // the next code, typed or from a scanner that types, can come at once
    check(given);
  }

  function seen(given) {
    const isNew = given !== last.code || Date.now() - last.seenAt > SAME_AGAIN_MS;
    last = { code: given, seenAt: Date.now() };
    if (isNew) check(given);
  }

  const turnCamera = doing(camera, place, async () => {
    if (watching) {
      watching.abort();
      watching = null;
    } else {
      const turnedOff = new AbortController();
      await watchCodes(video, AbortSignal.any([signal, turnedOff.signal]), seen);
      watching = turnedOff;
    }
    video.hidden = !watching;
    camera.textContent = watching ? "Stop the camera" : "Use the camera";
  });
  camera.addEventListener("click", turnCamera);

  function showCount() { done.textContent = `${many(inside, "ticket", "tickets")} let in from this page.`; }
  const why = whyNoCamera();
  put(into, h("h1", {}, "Door"),
    h("div", { class: "card" },
      h("form", { onsubmit: typed },
        field("Ticket code", code, "Type it in, use a scanner that types, or the camera. It begins with FT1."),
        h("div", { class: "buttons" }, button, why ? null : camera)),
      why ? notice("", why) : null, place, video, done),
    log);
  showCount();
  code.focus();
}
