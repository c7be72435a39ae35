// For auditors: what the ledger says, and whether it holds, checked in this browser.

import { answer, every, session } from "./api.js";
import { doing, field, h, notice, put, s } from "./dom.js";
import { Check, hashOf, isSame, isSigned, parse, parseCheckpoint, tilePath } from "./ledger.js";
import { proofPicture } from "./proof.js";
import { start } from "./shell.js";
import { State } from "./state.js";
import { verify } from "./verify.mjs";
import { count, many, shortTime } from "./words.js";

const PAGE = 50;
const PAGE_FILTERED = 1000;
const READS_MAX = 50;
const ONE_BY_ONE_MAX = 2000;
const FAULTS_MAX = 20;
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
const NDJSON = { Accept: "application/x-ndjson" };

async function showLedger(into, signal, eventId = "") {
  requireKey();
  const events = await every("/v1/events", signal);
  const names = new Map(events.map((event) => [event.event_id, event.name]));
  const stream = h("select", { onchange: () => { location.hash = stream.value ? `#/ledger/${stream.value}` : "#/"; } },
    h("option", { value: "" }, "All events, in the order of the log"),
    events.map((event) => h("option", { value: event.event_id, selected: event.event_id === eventId }, event.name)));
  const kind = h("select", { onchange: choose }, h("option", { value: "" }, "All kinds"));
  const text = h("input", { type: "search", spellcheck: "false", autocomplete: "off", onchange: choose });
  const from = h("input", { type: "number", min: eventId ? 1 : 0, inputmode: "numeric", onchange: restart });
  const body = h("tbody", {});
  const words = h("p", { class: "soft", role: "status" });
  const place = h("div", {});
  const more = h("button", { class: "quiet" }, "Show more");
  const path = eventId ? `/v1/ledger/streams/${encodeURIComponent(eventId)}` : "/v1/ledger";
  let entries = [];
  const isFiltered = () => Boolean(kind.value || text.value.trim());

  function matches(entry) {
    const wanted = text.value.trim();
    return (!kind.value || entry.type === kind.value) && (!wanted || entry.hash.startsWith(wanted) || entry.actor === wanted
      || new TextDecoder().decode(entry.bytes).includes(wanted));
  }
  /** Reads on until there is a page more to show, or no more at all. */
  async function read() {
    const wanted = entries.filter(matches).length + PAGE;
    for (let reads = 0; reads < READS_MAX; reads++) {
      const limit = isFiltered() ? PAGE_FILTERED : PAGE;
      const last = entries.at(-1);
      const after = last !== undefined ? `&after=${eventId ? last.version : last.seq}` : from.value ? `&after=${from.value - 1}` : "";
      const lines = await (await answer("GET", `${path}?limit=${limit}${after}`, { signal, headers: NDJSON })).text();
      const page = lines.split("\n").filter(Boolean).map(parse);
      entries.push(...page);
      more.hidden = page.length < limit;
      if (more.hidden || entries.filter(matches).length >= wanted) break;
    }
    const kinds = [...new Set(entries.map((entry) => entry.type))].sort();
    const chosen = kind.value;
    put(kind, h("option", { value: "" }, "All kinds"), kinds.map((each) => h("option", { value: each, selected: each === chosen }, each)));
    show();
  }
  function show() {
    const shown = entries.filter(matches);
    put(body, shown.map((entry) => entryRow(entry, names)));
    words.textContent = `${many(shown.length, "entry", "entries")} shown${isFiltered() ? ` of ${count(entries.length)} looked at` : ""}${more.hidden ? "" : "; there are more"}.`;
  }
  const readMore = doing(more, place, read);
  function choose() {
    show();
    if (!more.hidden && entries.filter(matches).length < PAGE) readMore();
  }
  function restart() {
    entries = [];
    readMore();
  }
  more.addEventListener("click", readMore);
  await read();
  put(into, h("h1", {}, "Ledger"),
    h("div", { class: "card stack" },
      h("div", { class: "fields" }, field("Event", stream), field("Kind", kind),
        field("Contains", text, "An id, a seat, or how a hash begins."), field(eventId ? "From version" : "From number", from)),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Entries" },
        h("table", {}, h("thead", {}, h("tr", {}, ["No.", "Version", "Entry", "Event", "Recorded", "Hash"].map((text) => h("th", { scope: "col" }, text)))), body)),
      words, place, h("div", { class: "buttons" }, more)));
}

function entryRow(entry, names) {
  const checked = h("span", { role: "status" });
  const details = h("details", {
      ontoggle: async () => {
        if (!details.open || checked.hasChildNodes()) return;
        const isRight = (await hashOf(entry)) === entry.hash;
        put(checked, h("span", { class: isRight ? "tag good" : "tag bad" }, isRight ? "hash is right" : "hash is wrong"));
      },
    },
    h("summary", {}, entry.type),
    h("dl", {}, [
        ["Payload", h("code", {}, new TextDecoder().decode(entry.bytes))], ["Hash", h("code", {}, entry.hash)],
        ["Hash before", h("code", {}, entry.prev_hash)], ["Recorded by", h("code", {}, entry.actor)], ["Checked here", checked],
      ].flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])));
  return h("tr", {}, h("td", {}, entry.seq === null ? "soon" : count(entry.seq)), h("td", {}, count(entry.version)), h("td", { class: "entry" }, details),
    h("td", {}, h("a", { href: `#/ledger/${entry.event_id}` }, names.get(entry.event_id) ?? entry.event_id)),
    h("td", {}, entry.recorded_at ? shortTime(entry.recorded_at) : "no such time"), h("td", {}, h("code", {}, entry.hash.slice(0, 10), "…")));
}

async function showHistory(into, signal, eventId) {
  requireKey();
  const events = await every("/v1/events", signal);
  const event = events.find((each) => each.event_id === eventId) ?? events.at(-1);
  if (event === undefined) return put(into, h("h1", {}, "History"), h("p", {}, "No events yet."));
  const choice = h("select", { onchange: () => { location.hash = `#/history/${choice.value}`; } },
    events.map((each) => h("option", { value: each.event_id, selected: each === event }, each.name)));
  const response = await answer("GET", `/v1/ledger/streams/${event.event_id}`, { signal, headers: NDJSON });
  const state = new State();
  const past = [];
  for await (const entries of lines(response.body))
    for (const entry of entries) {
      state.follow(entry);
      past.push({ entry, counts: state.counts() });
    }

  const slider = h("input", { type: "range", min: 1, max: past.length, value: past.length, oninput: show });
  const by = (step) => { slider.value = Number(slider.value) + step; show(); };
  const words = h("p", { role: "status" });
  const table = h("dl", {});
  const cursor = s("path", { class: "cursor" });
  put(into, h("h1", {}, "History"),
    h("div", { class: "card stack" }, field("Event", choice),
      historyChart(past, cursor), field("As of entry", slider),
      h("div", { class: "buttons" },
        h("button", { class: "quiet small", onclick: () => by(-1) }, "One back"),
        h("button", { class: "quiet small", onclick: () => by(1) }, "One on")),
      words, table));
  function show() {
    const { entry, counts } = past[slider.value - 1];
    const x = (1000 * (slider.value - 1)) / Math.max(1, past.length - 1);
    cursor.setAttribute("d", `M${x} 0V200`);
    slider.setAttribute("aria-valuetext", `Entry ${entry.version}, ${entry.type}`);
    put(words, h("strong", {}, `${count(entry.version)} of ${count(past.length)}: ${entry.type}`), `, ${shortTime(entry.recorded_at)}`);
    put(table, [["On sale", counts.capacity], ["Booked", counts.booked], ["Held", counts.held], ["Left", counts.available],
      ["Waiting", counts.waiting], ["Inside", counts.inside]]
      .flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, count(value))]),
      h("dt", {}, "Sales"), h("dd", {}, counts.status));
  }
  show();
}

/** Booked, held on top, and the capacity above them, entry by entry. */
function historyChart(past, cursor) {
  const most = Math.max(1, ...past.map(({ counts }) => counts.capacity));
  const x = (index) => ((1000 * index) / Math.max(1, past.length - 1)).toFixed(1);
  const y = (places) => (200 - (190 * places) / most).toFixed(1);
  const steps = (of) => past.map(({ counts }, index) => (index ? `H${x(index)}V${y(of(counts))}` : `M0 ${y(of(counts))}`)).join("");
  const area = (of) => `${steps(of)}H1000V200H0Z`;
  return h("div", { class: "chart" },
    s("svg", { viewBox: "0 0 1000 200", preserveAspectRatio: "none", role: "img", "aria-label": "Places booked, held and on sale after each entry" },
      s("path", { class: "area", d: area((counts) => counts.booked + counts.held) }), s("path", { class: "area", d: area((counts) => counts.booked) }),
      s("path", { class: "line", d: steps((counts) => counts.booked) }), s("path", { class: "bound", d: steps((counts) => counts.capacity) }), cursor));
}

async function showVerify(into, signal) {
  requireKey();
  const key = h("textarea", { rows: 2, spellcheck: "false", placeholder: "name+id+base64" });
  const file = h("input", { type: "file", accept: ".ndjson,.jsonl,.zst,application/x-ndjson" });
  const button = h("button", {}, "Verify the log");
  const place = h("div", {});
  const progress = h("progress", { max: 1, value: 0, "aria-label": "Entries checked" });
  const steps = h("ul", { class: "steps", "aria-live": "polite" });
  const picture = proofPicture();
  const result = h("section", { class: "card", "aria-label": "Result", hidden: true }, h("h2", {}, "Result"), picture.element, progress, steps);

  const step = (isGood, text) => steps.append(h("li", { class: isGood === null ? "notice" : isGood ? "notice good" : "notice bad" }, text));
  function begin() { result.hidden = false; put(steps); progress.value = 0; picture.begin(); }
  function report(check) {
    step(check.faults.length === 0, check.faults.length === 0
      ? `${many(check.count, "entry", "entries")} of ${many(check.streams.size, "event", "events")}: every hash is right, every chain is whole, and no place was ever sold twice.`
      : `${many(check.faults.length, "fault", "faults")} in ${many(check.count, "entry", "entries")}.`);
    for (const what of check.faults.slice(0, FAULTS_MAX)) step(false, what);
  }

  const verifyLog = doing(button, place, async () => {
    begin();
    const text = await (await answer("GET", "/tlog/checkpoint", { signal })).text();
    const checkpoint = parseCheckpoint(text);
    if (checkpoint === null) return step(false, "The checkpoint is none.");
    let tiles = 0;
    const wrongTiles = [];
    const check = new Check({
      async onTile(index, leaves) {
        const tile = await (await answer("GET", tilePath(index, leaves.length / 32), { signal })).arrayBuffer();
        tiles += 1;
        if (!isSame(new Uint8Array(tile), leaves)) wrongTiles.push(index);
      },
    });
    const response = await answer("GET", `/v1/ledger?limit=${checkpoint.size}`, { signal, headers: NDJSON });
    for await (const entries of lines(response.body)) {
      // One by one where each is a part of the picture.
      for (const some of checkpoint.size < ONE_BY_ONE_MAX ? entries.map((entry) => [entry]) : [entries]) {
        const before = check.faults.length;
        await check.take(some);
        progress.value = check.count / checkpoint.size;
        picture.reach(progress.value, check.faults.length === before);
      }
    }
    await check.tile();
    report(check);
    step(wrongTiles.length === 0, wrongTiles.length === 0
      ? `${many(tiles, "tile of the tree has", "tiles of the tree have")} the hashes of these entries.`
      : `${many(wrongTiles.length, "tile", "tiles")} of the tree, from number ${wrongTiles[0]} on, have other hashes than these entries.`);
    const root = await check.root();
    picture.root(check.count === checkpoint.size && root === checkpoint.root);
    step(check.count === checkpoint.size && root === checkpoint.root, root === checkpoint.root
      ? `The tree over all ${count(checkpoint.size)} entries has the root that the checkpoint states.`
      : "The tree over the entries has another root than the checkpoint states.");
    const own = key.value.trim();
    const keys = own || (await (await answer("GET", "/tlog/keys", { signal })).text());
    const isGood = await isSigned(checkpoint, keys);
    picture.seal(isGood && own ? true : isGood ? null : false);
    step(isGood && own ? true : isGood ? null : false, !isGood ? "No key given has signed the checkpoint."
      : own ? "The checkpoint is signed with the key you gave."
      : "The checkpoint is signed with the key that this server shows. To rely on it, paste the key you were given.");
  });

  file.addEventListener("change", () => { if (file.files.length) verifyFile(file.files[0]); });

  async function verifyFile(chosen) {
    begin();
    try {
      const stream = await unpacked(chosen);
      if (!(await isExport(chosen))) {
        const check = new Check();
        for await (const entries of lines(stream)) await check.take(entries);
        picture.reach(1, check.faults.length === 0);
        report(check);
      } else {
        const keys = key.value.split("\n").filter((line) => line.trim());
        const found = await verify(chunks(stream), { keys });
        const isWhole = found.findings.length === 0;
        picture.reach(1, isWhole);
        picture.root(isWhole);
        picture.seal(isWhole && keys.length ? true : isWhole ? null : false);
        step(isWhole, isWhole ? `${many(found.entries, "entry", "entries")} of ${many(found.streams, "event", "events")}: all holds, up to a checkpoint signed with ${keys.length ? "the key you gave" : "a key in the file"}.`
          : `${many(found.findings.length, "fault", "faults")} in ${many(found.entries, "entry", "entries")}.`);
        for (const { rule, what, stream_id: eventId, version } of found.findings.slice(0, FAULTS_MAX))
          step(false, `${rule}: ${what}${version === null ? "" : `, entry ${version} of event ${eventId}`}.`);
      }
      progress.value = 1;
    } catch (error) {
      step(false, `This file can't be verified: ${error.message}.`);
    }
  }

  const drop = h("section", { class: "card drop", "aria-label": "A file",
      ondragover: (event) => { event.preventDefault(); drop.classList.add("over"); },
      ondragleave: () => drop.classList.remove("over"),
      ondrop: (event) => {
        event.preventDefault();
        drop.classList.remove("over");
        if (event.dataTransfer.files.length) verifyFile(event.dataTransfer.files[0]);
      },
    }, h("h2", {}, "A file"), field("Export, or entries as NDJSON", file, "Choose it, or drop it here: what flashticket export wrote, or what GET /v1/ledger answers with Accept: application/x-ndjson. The file stays on your machine."));

  put(into, h("h1", {}, "Verify in this browser"),
    crypto.subtle ? null : notice("bad", "This browser only checks hashes on pages that come by https or from this machine."),
    h("p", {}, "Your browser fetches every entry and the log's tiles, computes all hashes, chains and the Merkle tree anew, and compares them with the tiles and the signed checkpoint."),
    h("div", { class: "stack" },
      h("form", { class: "card", onsubmit: verifyLog }, field("Public key of the log (optional)", key), place, button),
      drop,
      result));
}

/** What is in a file, unpacked where this browser can. */
async function unpacked(file) {
  if (!(await begins(file, ZSTD))) return file.stream();
  let unpack;
  try {
    unpack = new DecompressionStream("zstd");
  } catch {
    throw new Error("this browser does not unpack Zstandard; do it with: zstd -d FILE");
  }
  return file.stream().pipeThrough(unpack);
}

// An export is packed, or its first line is its header; entries begin with another field.
const isExport = async (file) => (await begins(file, ZSTD)) || (await file.slice(0, 4096).text()).split("\n")[0].includes('"flashticket-export/');

async function begins(file, bytes) {
  const head = new Uint8Array(await file.slice(0, bytes.length).arrayBuffer());
  return bytes.every((byte, at) => head[at] === byte);
}

/** A stream's parts; not every browser lets one go through a stream itself. */
async function* chunks(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Entries of a stream of bytes, some at a time. */
async function* lines(stream) {
  let rest = "";
  for await (const text of chunks(stream.pipeThrough(new TextDecoderStream()))) {
    const parts = (rest + text).split("\n");
    rest = parts.pop();
    const entries = parts.filter(Boolean).map(parse);
    if (entries.length) yield entries;
  }
  if (rest) yield [parse(rest)];
}

function requireKey() {
  if (!session.key) throw Object.assign(new Error("This part is for auditors."), { code: "unauthenticated" });
}

start({
  place: "Auditor",
  links: [["#/", "Ledger"], ["#/history", "History"], ["#/verify", "Verify"]],
  parts: { "": showLedger, ledger: showLedger, history: showHistory, verify: showVerify },
});
