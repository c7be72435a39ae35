// Calls of the API, with the key of this browser tab, repeated while that is safe and may help.

import { meaning } from "./words.js";

const ATTEMPTS_MAX = 4;

export const session = {
  get key() { return sessionStorage.getItem("flashticket.key"); },
  get user() { return sessionStorage.getItem("flashticket.user"); },
  begin(key, user) {
    sessionStorage.setItem("flashticket.key", key);
    if (user) sessionStorage.setItem("flashticket.user", user);
  },
  end() { sessionStorage.clear(); },
  keep(name, value) {
    if (value === null) sessionStorage.removeItem(`flashticket.${name}`);
    else sessionStorage.setItem(`flashticket.${name}`, JSON.stringify(value));
  },
  kept(name) { return JSON.parse(sessionStorage.getItem(`flashticket.${name}`) ?? "null"); },
};

/** A problem of the API; its message is for people, its fields for programs. */
export class Problem extends Error {
  constructor(fields) {
    super(meaning(fields));
    Object.assign(this, fields);
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The answer to a call; throws the `Problem` that it is. */
export async function answer(method, path, { body, signal, once = false, headers: given = {} } = {}) {
  const headers = { ...given };
  if (session.key) headers.Authorization = `Bearer ${session.key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method === "POST" && !once) headers["Idempotency-Key"] = newKey();
  const content = body === undefined ? undefined : JSON.stringify(body);
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(path, { method, headers, signal, body: content }).catch((error) => {
      if (error.name === "AbortError") throw error;
      return null; // nobody answered
    });
    if (response?.ok) return response;
    const problem = await problemIn(response);
    const mayRepeat = problem.code === "overloaded" || (problem.code === "unavailable" && !once);
    if (!mayRepeat || attempt === ATTEMPTS_MAX) throw problem;
    await pause(attempt * 300 + Math.random() * 300);
  }
}

async function problemIn(response) {
  const type = response?.headers.get("content-type") ?? "";
  const isOurs = type.startsWith("application/problem+json");
  return new Problem(isOurs ? await response.json() : { code: "unavailable" });
}

export const get = async (path, signal) => (await answer("GET", path, { signal })).json();
export const blob = async (path) => (await answer("GET", path)).blob();
/** POST that books once however often it has to be sent. */
export const post = async (path, body) => (await answer("POST", path, { body })).json();
/** POST that is sent once, since a second time would do something else. */
export const postOnce = async (path, body) => (await answer("POST", path, { body, once: true })).json();
export const patch = async (path, body) => (await answer("PATCH", path, { body })).json();
export const remove = async (path) => (await answer("DELETE", path)).json();

/** All items of a list, page after page. */
export async function every(path, signal) {
  const items = [];
  for (let cursor = null; ;) {
    const page = await get(`${path}?limit=1000${cursor ? `&cursor=${cursor}` : ""}`, signal);
    items.push(...page.items);
    cursor = page.next_cursor;
    if (cursor === null) return items;
  }
}

/**
 * Tells newer counts of an event until the signal; `onState` learns whether the feed is open.
 * A tab that nobody sees has none: browsers open six connections to a server at most, for all tabs.
 */
export function watch(eventId, signal, onCounts, onState) {
  let version = 0;
  let feed = null;
  let again = null;
  function open() {
    clearTimeout(again);
    if (feed !== null || document.hidden || signal.aborted) return;
    feed = new EventSource(`/v1/events/${eventId}/live`);
    feed.onopen = () => onState(true);
    feed.onmessage = (message) => {
      const counts = JSON.parse(message.data);
      if (counts.version > version) {
        version = counts.version;
        onCounts(counts);
      }
    };
    feed.onerror = () => {
      onState(false);
      // A refused feed, for one because too many listen, is given up by the browser.
      if (feed?.readyState === EventSource.CLOSED) {
        close();
        again = setTimeout(open, 2000 + Math.random() * 3000);
      }
    };
  }
  function close() {
    clearTimeout(again);
    feed?.close();
    feed = null;
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()), { signal });
  signal.addEventListener("abort", close);
  open();
}
