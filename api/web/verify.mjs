// Verifies an export (docs/formats/export.md) with nothing but the file: signature, tree, chain and
// rules. Written from the format and not from the Python, so that the two check each other.
//   zstdcat ledger.ndjson.zst | node verify.mjs - [--key KEY]... [--previous FILE] [--json]
// In a page: verify(chunks of bytes, {keys, previous}). Without keys, those in the file are used.
const COLUMNS = '["version","seq","recorded_at_us","actor","type","schema_version","idempotency_key","request_hash","prev_hash","hash","payload"]';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }), bytesOf = (string) => new TextEncoder().encode(string);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const fromHex = (string) => Uint8Array.from(string.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const refuse = (what) => { throw new Error(what); };
const fromBase64 = (string) => (btoa(atob(string)) === string ? Uint8Array.from(atob(string), (character) => character.charCodeAt(0)) : refuse("no canonical base64"));
const same = (one, other) => one.length === other.length && one.every((byte, i) => byte === other[i]);
function joined(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  return parts.reduce((at, part) => (all.set(part, at), at + part.length), 0), all;
}
const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
// The tree (RFC 6962) and its checkpoint (C2SP tlog-checkpoint, signed-note).
async function rootOf(hashes) {
  if (hashes.length < 2) return hashes[0] ?? sha256();
  const half = 2 ** Math.floor(Math.log2(hashes.length - 1));
  return sha256([1], ...(await Promise.all([rootOf(hashes.slice(0, half)), rootOf(hashes.slice(half))])));
}
async function parseKey(line) {
  const [, name, id, encoded] = line.match(/^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/) ?? [];
  const key = fromBase64(encoded ?? ""), hash = await sha256(bytesOf(`${name}\n`), key);
  if (key.length !== 33 || key[0] !== 1 || hex(hash.slice(0, 4)) !== id) refuse(`not a key: ${line}`);
  return { name, id, raw: key.slice(1) };
}
async function openCheckpoint(note, keys) {
  const [, body, signatures] = note.match(/^([\s\S]*\n)\n((?:\u2014 [^\n]+\n)+)$/) ?? [];
  const [origin, size, root] = (body ?? "").split("\n");
  if (!/^(0|[1-9][0-9]*)$/.test(size) || !/^[A-Za-z0-9+/]{43}=$/.test(root)) refuse("it is no checkpoint");
  let isSigned = false;
  for (const [, name, encoded] of signatures.trimEnd().split("\n").map((line) => line.split(" "))) {
    const signature = fromBase64(encoded);
    const key = keys.find((each) => each.name === name && name === origin && each.id === hex(signature.slice(0, 4)));
    if (!key) continue;
    const known = await crypto.subtle.importKey("raw", key.raw, "Ed25519", false, ["verify"]);
    if (!(await crypto.subtle.verify("Ed25519", known, signature.slice(4), bytesOf(body)))) refuse(`the signature by ${name} is wrong`);
    isSigned = true;
  }
  return isSigned ? { origin, size: Number(size), root: fromBase64(root) } : refuse("no known key has signed it");
}
// Fields: i integer, s text, ? or null, in brackets a list of.
const CATEGORIES = [{ capacity: "i?", name: "s", price_cents: "i" }], QUOTAS = [{ capacity: "i", categories: ["s"], name: "s" }];
const SEAT_ROWS = [{ category: "s?", row: "s", seats: ["s"], section: "s" }], TICKET = { booking_id: "s", ticket: "i" };
const PLACES = { amount_cents: "i", category: "s?", quantity: "i", seats: ["s"], user_id: "s" }, ENDED = { hold_id: "s", user_id: "s" };
const TERMS = { capacity: "i", limit_per_user: "i?", name: "s", sales_close_at: "i?", sales_open_at: "i?", starts_at: "i", venue_capacity: "i", venue_id: "s" };
// What an entry of the first schema says in today's.
const LIFTED = {
  SeatsBooked: (entry) => ({ ...entry, category: null, seats: [], amount_cents: 0 }),
  BookingCancelled: (entry) => ({ ...entry, tickets: Array.from({ length: Math.min(entry.quantity, 10001) }, (_, n) => n + 1) }),
  EventScheduled: (entry) => ({ ...entry, limit_per_order: null, hold_seconds: 300, categories: [], quotas: [], seat_rows: [] }),
};
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
function fits(value, kind) {
  if (Array.isArray(kind)) return Array.isArray(value) && value.every((item) => fits(item, kind[0]));
  if (typeof kind === "string") return typeof value === (kind[0] === "i" ? "number" : "string") || (kind[1] === "?" && value === null);
  const names = Object.keys(kind);
  return isObject(value) && Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name) && fits(value[name], kind[name]));
}
const require = (holds, rule, what) => { if (!holds) throw Object.assign(new Error(what), { rule }); };
const known = (map, id, what) => map.get(id) ?? require(false, "L2", `${what} ${id} is not there, or no more`);

class Stream {
  constructor(id) {
    Object.assign(this, { id, version: 0, seq: -1, at: -Number.MAX_SAFE_INTEGER, hash: "0".repeat(64), isBroken: false, keys: new Set() });
    Object.assign(this, { capacity: -1, venueCapacity: 0, isCancelled: false, booked: 0, held: 0, shares: [] });
    for (const name of ["taken", "seats", "claims", "bookings", "holds", "line"]) this[name] = new Map();
  }
  change() { require(this.capacity >= 0 && !this.isCancelled, "L2", "the event is not scheduled yet, or cancelled"); }
  move(seats, was, now) {
    require(new Set(seats).size === seats.length, "L2", "a seat is named twice");
    for (const seat of seats) {
      require(this.seats.has(seat) && this.claims.get(seat) === was, "L2", `seat ${seat} is claimed twice, or there is none`);
      if (now === undefined) this.claims.delete(seat); else this.claims.set(seat, now);
    }
  }
  take({ category, seats }, quantity, sign) {
    const names = seats.length ? seats.map((seat) => this.seats.get(seat) ?? null) : [category];
    for (const name of names) if (name !== null) this.taken.set(name, (this.taken.get(name) ?? 0) + sign * (seats.length ? 1 : quantity));
    for (const [name, capacity, categories] of this.shares) {
      const taken = categories.reduce((sum, each) => sum + (this.taken.get(each) ?? 0), 0);
      require(taken <= capacity || !categories.some((each) => names.includes(each)), "L1", `${taken} places of ${name} taken of ${capacity}`);
    }
  }
  begin(claim, id) {
    require(claim.quantity >= 1 && [0, claim.quantity].includes(claim.seats.length), "L2", `${claim.quantity} places, ${claim.seats.length} seats`);
    this.move(claim.seats, undefined, id);
    if (claim.seats.length || claim.category !== null) this.take(claim, claim.quantity, 1);
  }
  book(id, claim) { this.bookings.set(id, { ...claim, cancelled: new Set(), inside: new Set() }); this.booked += claim.quantity; }
  end(entry) {
    const hold = known(this.holds, entry.hold_id, "hold");
    require(hold.user_id === entry.user_id, "L2", "a hold ends with other contents");
    this.move(hold.seats, entry.hold_id, undefined);
    this.take(hold, hold.quantity, -1);
    this.holds.set(entry.hold_id, undefined);
    this.held -= hold.quantity;
  }
  leave(id, entry) {
    const { user_id, quantity } = known(this.line, id, "place in line");
    require(user_id === entry.user_id && quantity === (entry.quantity ?? quantity), "L2", "not who or what waited");
    this.line.set(id, undefined);
  }
  booking(id) {
    const booking = known(this.bookings, id, "booking");
    return booking.cancelled.size < booking.quantity ? booking : require(false, "L2", `booking ${id} is cancelled`);
  }
}
const isLive = (booking, ticket) => ticket >= 1 && ticket <= booking.quantity && !booking.cancelled.has(ticket);
// What fields an entry type has, and what it does to its stream.
const RULES = {
  EventScheduled: [{ ...TERMS, categories: CATEGORIES, hold_seconds: "i", limit_per_order: "i?", quotas: QUOTAS, seat_rows: SEAT_ROWS }, (s, e) => {
    require(s.capacity < 0, "L2", "the event is scheduled a second time");
    [s.capacity, s.venueCapacity] = [e.capacity, e.venue_capacity];
    for (const each of e.categories) if (each.capacity !== null) s.shares.push([each.name, each.capacity, [each.name]]);
    for (const each of e.quotas) s.shares.push([each.name, each.capacity, each.categories]);
    for (const row of e.seat_rows) for (const seat of row.seats) s.seats.set(seat, row.category);
  }],
  CapacityChanged: [{ capacity: "i" }, (s, e) => { s.change(); s.capacity = e.capacity; }],
  EventOpened: [{}, (s) => s.change()],
  EventClosed: [{}, (s) => s.change()],
  EventCancelled: [{}, (s) => { s.change(); s.isCancelled = true; }],
  SeatsBooked: [{ ...PLACES, booking_id: "s" }, (s, e) => {
    require(!s.bookings.has(e.booking_id), "L2", `booking ${e.booking_id} is booked a second time`);
    s.begin(e, e.booking_id);
    s.book(e.booking_id, e);
  }],
  BookingCancelled: [{ booking_id: "s", quantity: "i", tickets: ["i"], user_id: "s" }, (s, e) => {
    const booking = s.booking(e.booking_id), gone = new Set(e.tickets);
    require(gone.size && gone.size === e.tickets.length && e.tickets.every((ticket) => isLive(booking, ticket)), "L2", "tickets are cancelled that are not live");
    require(e.quantity === gone.size && e.user_id === booking.user_id, "L2", "cancelled with other contents");
    const seats = booking.seats.length ? e.tickets.map((ticket) => booking.seats[ticket - 1]) : [];
    s.move(seats, e.booking_id, undefined);
    s.take({ category: booking.category, seats }, gone.size, -1);
    s.booked -= gone.size;
    gone.forEach((ticket) => { booking.cancelled.add(ticket); booking.inside.delete(ticket); });
  }],
  BookingTransferred: [{ booking_id: "s", from_user_id: "s", to_user_id: "s" }, (s, e, _, booking = s.booking(e.booking_id)) =>
    (require(booking.user_id === e.from_user_id, "L2", "given away by who has it not"), booking.user_id = e.to_user_id)],
  SeatsHeld: [{ ...PLACES, expires_at: "i", hold_id: "s", waiting_id: "s?" }, (s, e) => {
    require(!s.holds.has(e.hold_id), "L2", `hold ${e.hold_id} is held a second time`);
    if (e.waiting_id !== null) s.leave(e.waiting_id, e);
    s.begin(e, e.hold_id);
    s.holds.set(e.hold_id, e);
    s.held += e.quantity;
  }],
  HoldConfirmed: [{ ...ENDED, booking_id: "s" }, (s, e, at) => {
    const hold = known(s.holds, e.hold_id, "hold");
    require(at < hold.expires_at && !s.bookings.has(e.booking_id) && e.user_id === hold.user_id, "L2", "confirmed too late, or with other contents");
    s.move(hold.seats, e.hold_id, e.booking_id);
    s.book(e.booking_id, hold);
    s.holds.set(e.hold_id, undefined);
    s.held -= hold.quantity;
  }],
  HoldReleased: [ENDED, (s, e) => s.end(e)],
  HoldExpired: [{ ...ENDED, expires_at: "i", quantity: "i" }, (s, e, at) => {
    const { expires_at, quantity } = known(s.holds, e.hold_id, "hold");
    require(at >= expires_at && expires_at === e.expires_at && quantity === e.quantity, "L2", "expires before its time, or another hold");
    s.end(e);
  }],
  WaitingListJoined: [{ category: "s?", quantity: "i", user_id: "s", waiting_id: "s" }, (s, e) => (require(!s.line.has(e.waiting_id), "L2", "joins a second time"), s.line.set(e.waiting_id, e))],
  WaitingListLeft: [{ user_id: "s", waiting_id: "s" }, (s, e) => s.leave(e.waiting_id, e)],
  TicketCheckedIn: [TICKET, (s, e, _, booking = s.booking(e.booking_id)) => {
    require(isLive(booking, e.ticket) && !booking.inside.has(e.ticket), "L2", "the ticket is not live, or inside");
    booking.inside.add(e.ticket);
  }],
  CheckInAnnulled: [TICKET, (s, e) => require(s.booking(e.booking_id).inside.delete(e.ticket), "L2", "the ticket is outside")],
};
const numberBytes = (set, width, value) => { const view = new DataView(new ArrayBuffer(width)); view[set](0, value); return new Uint8Array(view.buffer); };
const uuidBytes = (id) => fromHex(id.replaceAll("-", ""));
function preimageOf(streamId, [version, , at, actor, type, schema, key, request, prev, , payload]) {
  const areRight = [version, schema].every((each) => Number.isSafeInteger(each) && each >= 0) && Number.isSafeInteger(at) && schema < 65536;
  const areDigests = [prev, key ?? prev, request ?? prev].every((each) => /^[0-9a-f]{64}$/.test(each));
  if (!areRight || !areDigests || ![streamId, actor].every((id) => UUID.test(id)) || typeof type !== "string" || /[^\x00-\x7f]/.test(type)) return null;
  const stored = typeof payload === "string" ? fromBase64(payload) : bytesOf(JSON.stringify(payload));
  return joined(
    bytesOf("flashticket/entry/1\n"), uuidBytes(streamId), numberBytes("setBigUint64", 8, BigInt(version)), numberBytes("setBigInt64", 8, BigInt(at)),
    numberBytes("setUint16", 2, schema), uuidBytes(actor), fromHex(prev),
    ...[bytesOf(type), fromHex(key ?? ""), fromHex(request ?? ""), stored].flatMap((each) => [numberBytes("setUint32", 4, each.length), each]),
  );
}
// What the tree has of an entry: of one too long for a bundle, a stub.
const logged = (image, hash) => (image.length < 65536 ? [image] : [bytesOf("flashticket/long-entry/1\n"), image.subarray(20, 44), image.subarray(70, 102), hash]);

// A line as JSON; nothing of it where it has other numbers than integers, or half characters.
function parse(bytes) {
  try {
    const line = text.decode(bytes), row = JSON.parse(line);
    const bare = line.replace(/"(?:[^"\\]|\\.)*"/g, "");
    const isOdd = /[.eE]/.test(Array.isArray(row) ? bare : bare.replace("true", "")) || bare.match(/-?\d+/g)?.some((number) => !Number.isSafeInteger(Number(number)));
    return /\\ud[89a-f]/i.test(JSON.stringify(row)) ? null : isOdd ? (Array.isArray(row) ? [] : null) : row;
  } catch { return null; }
}
async function* batchesOf(chunks) {
  let rest = new Uint8Array();
  for await (const chunk of chunks) {
    const all = joined(rest, chunk), lines = [];
    let start = 0;
    for (let end; (end = all.indexOf(10, start)) >= 0; start = end + 1) lines.push(parse(all.subarray(start, end)));
    rest = all.slice(start);
    if (lines.length) yield lines;
  }
  if (rest.length) yield [parse(rest)];
}
function judge(s, [version, seq, at, , type, schema, key, request, prev, stated, payload], image, hash) {
  require(image, "L7", "a column is not what it should be");
  require(version === s.version + 1, "L3", `it follows version ${s.version}`);
  require(prev === s.hash, "L3", "prev_hash is not the hash of the entry before");
  require(s.at <= at, "L3", "recorded_at is before that of the entry before");
  require(hash === stated, "L3", "the hash is not that of the entry's contents");
  require(Number.isSafeInteger(seq) && s.seq < seq && seq < s.size, "sequence", "the numbers do not ascend");
  require((key === null) === (request === null) && !s.keys.has(key), "L4", "the key has an entry already, or no request hash");
  const now = LIFTED[type] ? 2 : 1;
  require(Object.hasOwn(RULES, type) && isObject(payload) && (schema === now || (schema === 1 && now === 2)), "L7", "no known type or schema");
  const entry = schema === now ? payload : LIFTED[type](payload);
  require(fits(entry, RULES[type][0]), "L7", "the payload has not the fields of its type");
  RULES[type][1](s, entry, at);
  require(s.capacity >= 0 && s.booked + s.held <= s.capacity && s.capacity <= s.venueCapacity, "L1", `${s.booked + s.held} places taken of ${s.capacity}`);
  Object.assign(s, { version, seq, at, hash, keys: key === null ? s.keys : s.keys.add(key) });
}

export async function verify(chunks, { keys = [], previous = null } = {}) {
  const findings = [], leaves = [], places = [], tiles = [];
  let header, checkpoint, older, stream, end, entries = 0, streams = 0;
  const find = (rule, what, at) => { findings.push({ rule, what, stream_id: null, version: null, seq: null, ...at }); };
  const fail = (rule, what, at) => { find(rule, what, { stream_id: stream?.id ?? null, ...at }); if (stream) stream.isBroken = true; };
  const sign = async (note, trusted, which) => openCheckpoint(note, trusted).catch((error) => find("signature", `the ${which}: ${error.message}`));
  for await (const rows of batchesOf(chunks)) {
    if (!header) {
      header = rows.shift();
      const isHeader = header?.format === "flashticket-export/1" && Object.keys(header).sort().join() === "checkpoint,columns,format,keys,size" && JSON.stringify(header.columns) === COLUMNS;
      if (!isHeader || !fits(header.keys, ["s"]) || !fits(header.checkpoint, "s") || !(Number.isSafeInteger(header.size) && header.size >= 0)) refuse("this is no export");
      const named = await Promise.all(header.keys.map(parseKey)).catch(() => refuse("this is no export"));
      const trusted = keys.length ? await Promise.all(keys.map((key) => parseKey(key.trim()))) : named;
      checkpoint = await sign(header.checkpoint, trusted, "checkpoint");
      for (const key of checkpoint ? named : []) await sign(header.checkpoint, [key], "key in the header");
      older = previous === null ? undefined : await sign(previous, trusted, "older checkpoint");
      if (!checkpoint) return { origin: "", size: header.size, entries, streams, findings };
      if (checkpoint.size !== header.size) find("format", "the header has another size than the checkpoint");
      if (older?.size > checkpoint.size) { find("consistency", "entries were cut off", { seq: checkpoint.size }); older = undefined; }
    }
    let id = stream?.id;
    const images = rows.map((row) => { try { return preimageOf((id = row?.stream ?? id), row); } catch { return null; } });
    const hashes = await Promise.all(images.map((image) => image && sha256(image)));
    const leafHashes = await Promise.all(images.map((image, i) => (image ? sha256([0], ...logged(image, hashes[i])) : new Uint8Array(32))));
    rows.forEach((row, i) => {
      if (typeof row?.stream === "string" && Object.keys(row).length === 1) {
        const last = stream?.id ?? "";
        streams++;
        stream = Object.assign(new Stream(row.stream), { size: checkpoint.size });
        if (!UUID.test(stream.id) || stream.id <= last) fail("format", "the streams are not in the order of their ids");
      } else if (row?.tile >= 0 && fits(row, { tile: "i", hashes: "s" })) try { tiles.push(fromBase64(row.hashes)); } catch { tiles.length = 0; }
      else if (row?.end === true && row.entries >= 0 && row.streams >= 0 && fits({ ...row, end: 0 }, { end: "i", entries: "i", streams: "i" })) end = row;
      else if (!Array.isArray(row)) fail("format", "a line is nothing that is known");
      else {
        entries++;
        const [version, seq] = row;
        if (row.length !== 11 || !stream) return void (stream?.isBroken || fail("format", "an entry has eleven values and a stream"));
        if (Number.isSafeInteger(seq) && seq >= 0 && seq < checkpoint.size) {
          if (leaves[seq]) find("tree", `the number ${seq} is given twice`, { seq });
          [leaves[seq], places[seq]] = [leafHashes[i], [stream.id, version]];
        }
        if (stream.isBroken) return;
        try { judge(stream, row, images[i], hashes[i] && hex(hashes[i])); } catch (error) { fail(error.rule ?? "L7", error.message, { version, seq }); }
      }
    });
  }
  if (!header) refuse("this is no export");
  if (!end) find("format", "the file was cut off: its end is not there");
  else if (end.entries !== entries || end.streams !== streams) find("format", "the file has not what it says at its end");
  const missing = Array.from({ length: checkpoint.size }, (_, seq) => seq).filter((seq) => !leaves[seq]);
  for (const seq of missing) if (seq === 0 || leaves[seq - 1]) find("tree", "entries are missing", { seq });
  const published = tiles.flatMap((tile) => Array.from({ length: tile.length / 32 }, (_, n) => tile.slice(32 * n, 32 * n + 32)));
  for (const [stated, rule] of [[checkpoint, "tree"], [older, "consistency"]]) {
    const ours = Array.from({ length: stated?.size ?? 0 }, (_, seq) => leaves[seq] ?? new Uint8Array(32));
    if (!stated || same(await rootOf(ours), stated.root)) continue;
    const arePublished = published.length >= stated.size && same(await rootOf(published.slice(0, stated.size)), stated.root);
    const what = "the entries are not those that were signed for", named = new Set();
    if (!arePublished && !missing.length) find(rule, what);
    if (arePublished) ours.forEach((leaf, seq, _, [stream_id, version] = places[seq] ?? []) => { // the first of each stream
      if (stream_id && !named.has(stream_id) && !same(leaf, published[seq])) find(rule, what, { seq, stream_id, version }), named.add(stream_id);
    });
  }
  return { origin: checkpoint.origin, size: checkpoint.size, entries, streams, findings };
}
if (typeof process !== "undefined" && /verify\.mjs$/.test(process.argv[1] ?? "")) {
  const [{ createReadStream, readFileSync }, { parseArgs }] = await Promise.all([import("node:fs"), import("node:util")]);
  const options = { key: { type: "string", multiple: true }, previous: { type: "string" }, json: { type: "boolean" } };
  const { values, positionals: [file] } = parseArgs({ allowPositionals: true, options });
  const previous = values.previous ? readFileSync(values.previous, "utf8") : null;
  const report = await verify(file === "-" ? process.stdin : createReadStream(file), { keys: values.key, previous });
  const said = report.findings.map((each) => `${each.rule} event ${each.stream_id} version ${each.version} number ${each.seq}: ${each.what}\n`);
  console.log(values.json ? JSON.stringify(report) : `${said.join("")}${report.entries} entries: ${said.length ? "NOT as signed" : "all holds"}`);
  process.exitCode = report.findings.length ? 1 : 0;
}
