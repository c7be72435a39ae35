// Checks of the ledger that need nothing but its entries: hashes, chains, the Merkle root, a signature.
//
// What is hashed is set out byte by byte in ledger/chain.py; the tree is that of RFC 9162.

import { State } from "./state.js";

const TAG = new TextEncoder().encode("flashticket/entry/1\n");
const STUB = new TextEncoder().encode("flashticket/long-entry/1\n");
const ENTRY_BYTES_MAX = 65_535;
const TILE = 256;
const GENESIS = "0".repeat(64);
const AT_ONCE = 500;
const PAYLOAD = '"payload":';

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const unbase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
const uuid = (text) => unhex(text.replaceAll("-", ""));
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

export const isSame = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) { whole.set(part, at); at += part.length; }
  return whole;
}

function number(value, bytes) {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)));
  return new Uint8Array(view.buffer, 8 - bytes);
}

const sized = (bytes) => [number(bytes.length, 4), bytes];

/** An entry of a line of NDJSON, with its payload in the very bytes that were sent. */
export function parse(line) {
  const entry = JSON.parse(line);
  // The payload comes last; nothing before it can hold this text.
  const raw = line.slice(line.indexOf(PAYLOAD) + PAYLOAD.length, line.lastIndexOf("}"));
  entry.bytes = entry.payload_base64 ? unbase64(entry.payload_base64) : new TextEncoder().encode(raw);
  return entry;
}

/** The bytes that an entry's hash is taken over. */
export function preimage(entry) {
  return joined([
    TAG, uuid(entry.event_id), number(entry.version, 8), number(entry.recorded_at_us, 8), number(entry.schema_version, 2),
    uuid(entry.actor), unhex(entry.prev_hash),
    ...sized(new TextEncoder().encode(entry.type)), ...sized(unhex(entry.idempotency_key ?? "")),
    ...sized(unhex(entry.request_hash ?? "")), ...sized(entry.bytes),
  ]);
}

/** What the tree has of an entry: of one too long for a bundle, a stub; see docs/formats/log.md. */
const logged = (image, hash) =>
  image.length <= ENTRY_BYTES_MAX ? image : joined([STUB, image.subarray(20, 44), image.subarray(70, 102), hash]);

/** Where a tile of the tree's lowest level is found (C2SP tlog-tiles), of `width` hashes. */
export function tilePath(index, width) {
  const digits = String(index).padStart(3 * Math.ceil(String(index).length / 3), "0").match(/.{3}/g);
  const path = digits.map((part, at) => (at < digits.length - 1 ? `x${part}` : part)).join("/");
  return `/tlog/tile/0/${path}${width < TILE ? `.p/${width}` : ""}`;
}

/** The hash that an entry should have, hexadecimal. */
export const hashOf = async (entry) => hex(await sha256(preimage(entry)));

/** Goes through entries in the order of the log and keeps what is needed to judge them. */
export class Check {
  /** `onTile` is awaited with each tile of the tree's lowest level: its index and its hashes. */
  constructor({ onTile = null } = {}) {
    this.onTile = onTile;
    this.leaves = [];
    this.streams = new Map();
    this.faults = [];
    this.count = 0;
    this.peaks = [];
    this.hasSequence = true;
  }

  /** Takes entries, each after those before it. */
  async take(entries) {
    for (let at = 0; at < entries.length; at += AT_ONCE) {
      const some = entries.slice(at, at + AT_ONCE);
      const images = some.map(preimage);
      const hashes = await Promise.all(images.map(sha256));
      const leaves = await Promise.all(images.map((image, index) => sha256(joined([[0], logged(image, hashes[index])]))));
      for (const [index, entry] of some.entries()) {
        this.link(entry, hex(hashes[index]));
        await this.grow(entry, leaves[index]);
        this.leaves.push(leaves[index]);
        if (this.leaves.length === TILE) await this.tile();
      }
    }
  }

  /** Tells `onTile` of the last tile, which may not be full. */
  async tile() {
    if (this.leaves.length) await this.onTile?.(Math.ceil(this.count / TILE) - 1, joined(this.leaves));
    this.leaves = [];
  }

  link(entry, hash) {
    const where = `Entry ${entry.version} (${entry.type}) of event ${entry.event_id}`;
    const before = this.streams.get(entry.event_id) ?? { version: 0, hash: GENESIS, state: new State() };
    const fault = (what) => this.faults.push(`${where} ${what}`);
    if (hash !== entry.hash) fault("is not what its hash says.");
    if (entry.version !== before.version + 1) fault(`follows entry ${before.version}.`);
    else if (entry.prev_hash !== before.hash) fault("does not continue the entry before it.");
    if (entry.payload === null) fault("has a payload that is not JSON.");
    else for (const what of before.state.follow(entry)) fault(`${what}.`);
    this.streams.set(entry.event_id, { version: entry.version, hash: entry.hash, state: before.state });
    this.count += 1;
  }

  async grow(entry, leaf) {
    if (entry.seq !== this.count - 1) this.hasSequence = false;
    let [size, root] = [1, leaf];
    // Two perfect trees of one size become one of twice that.
    while (this.peaks.at(-1)?.[0] === size) {
      root = await sha256(joined([[1], this.peaks.pop()[1], root]));
      size *= 2;
    }
    this.peaks.push([size, root]);
  }

  /** The Merkle root of all taken, base64; null if they are not the log from its beginning. */
  async root() {
    if (!this.hasSequence || this.count === 0) return null;
    let root = this.peaks.at(-1)[1];
    for (const [, peak] of this.peaks.slice(0, -1).reverse()) root = await sha256(joined([[1], peak, root]));
    return base64(root);
  }
}

/** What a checkpoint states; null for a text that is none. */
export function parseCheckpoint(text) {
  const [statement, signatures] = text.split("\n\n");
  const [origin, size, root] = statement.split("\n");
  if (!signatures || !/^\d+$/.test(size ?? "")) return null;
  return { origin, size: Number(size), root, signed: new TextEncoder().encode(`${statement}\n`), signatures: signatures.trim().split("\n") };
}

/** Whether one of the keys, a line each, signed a checkpoint. */
export async function isSigned(checkpoint, keys) {
  for (const line of keys.split("\n")) {
    const [name, id, ...rest] = line.trim().split("+");
    if (!name || rest.length === 0) continue;
    const key = unbase64(rest.join("+"));
    if (name !== checkpoint.origin || key[0] !== 1) continue; // 1: Ed25519
    const known = await crypto.subtle.importKey("raw", key.slice(1), "Ed25519", false, ["verify"]);
    for (const signature of checkpoint.signatures) {
      const [, signer, encoded] = signature.split(" ");
      const bytes = unbase64(encoded ?? "");
      if (signer !== name || hex(bytes.slice(0, 4)) !== id) continue;
      if (await crypto.subtle.verify("Ed25519", known, bytes.slice(4), checkpoint.signed)) return true;
    }
  }
  return false;
}
