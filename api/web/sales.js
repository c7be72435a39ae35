// Sales over time as a chart that goes on by itself, and the figures beside it.

import { get } from "./api.js";
import { h, put } from "./dom.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";
import { count, many, money } from "./words.js";

const AGAIN_MS = 2000;
const MINUTES = 1440;
const HEIGHT = 240;
const amount = (cents) => (cents === 0 ? "nothing" : money(cents));
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Tickets booked by minute, and how many that makes; what it shows is said in words too. */
export function salesChart(eventId, signal) {
  const canvas = h("div", {});
  const words = h("p", { class: "soft" });
  const element = h("div", { class: "chart" },
    h("div", { role: "img", "aria-label": "Tickets sold by minute, and in all" }, canvas), words);
  let data = [[], [], []];
  let chart = null;

  function draw() {
    chart?.destroy();
    const [ink, line, bars, total] = ["--soft", "--line", "--seat-edge", "--accent"].map(colour);
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui" };
    chart = new uPlot({
      width: Math.max(240, canvas.clientWidth), height: HEIGHT,
      cursor: { drag: { x: false, y: false } },
      legend: { live: false },
      scales: { x: { time: true }, booked: { range: (_, __, most) => [0, Math.max(4, most)] }, total: { range: (_, __, most) => [0, Math.max(4, most)] } },
      axes: [axis, { ...axis, scale: "booked", size: 44 }, { ...axis, scale: "total", side: 1, grid: { show: false }, size: 50 }],
      series: [
        { label: "Minute" },
        { label: "Booked in the minute", scale: "booked", stroke: bars, fill: bars, points: { show: false }, paths: uPlot.paths.bars({ size: [0.8, 40], align: 1 }) },
        { label: "Sold in all", scale: "total", stroke: total, width: 2, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) },
      ],
    }, data, canvas);
  }

  async function load() {
    const { items, version } = await get(`/v1/events/${eventId}/sales?limit=${MINUTES}`, signal);
    const now = Math.floor(Date.now() / 60_000) * 60;
    let total = 0;
    data = [[], [], []];
    for (const each of items) {
      total += each.booked - each.cancelled;
      [Date.parse(each.minute) / 1000, each.booked, total].forEach((value, column) => data[column].push(value));
    }
    if (!data[0].length || data[0].at(-1) < now) [now, 0, total].forEach((value, column) => data[column].push(value));
    if (data[0].length === 1) [data[0][0] - 600, 0, 0].forEach((value, column) => data[column].unshift(value));
    chart?.setData(data);
    const best = items.reduce((most, each) => (each.booked > (most?.booked ?? 0) ? each : most), null);
    words.textContent = `${many(total, "ticket", "tickets")} sold` +
      `${best ? `; the busiest minute had ${count(best.booked)}` : ""}. Counted up to entry ${count(version)}.`;
  }

  const resized = new ResizeObserver(() => chart?.setSize({ width: Math.max(240, canvas.clientWidth), height: HEIGHT }));
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const timer = setInterval(() => { if (!document.hidden) load().catch(() => {}); }, AGAIN_MS);
  scheme.addEventListener("change", draw, { signal });
  signal.addEventListener("abort", () => { clearInterval(timer); resized.disconnect(); chart?.destroy(); });
  requestAnimationFrame(() => { // when it is in the page and has a width
    draw();
    resized.observe(element);
    load().catch((error) => { words.textContent = error.message; });
  });
  return element;
}

/** Revenue, sections, the line and refusals; each is kept up to date. */
export function figures(eventId, signal) {
  const element = h("div", { class: "stack" });
  async function load() {
    const read = (what) => get(`/v1/events/${eventId}/${what}`, signal);
    const [revenue, occupancy, line, refusals] = await Promise.all(["revenue", "occupancy", "waiting-list", "refusals"].map(read));
    put(element,
      h("dl", {}, [
        ["Revenue", amount(revenue.revenue_cents)],
        ["Given back", amount(revenue.cancelled_cents)],
        ["In line", line.waiting ? `${many(line.waiting, "person", "people")} for ${many(line.places, "place", "places")}` : "nobody"],
      ].flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])),
      occupancy.items.length < 2 ? null : table(["Section", "Seats", "Booked", "Held"],
        occupancy.items.map((each) => [each.section || "no section", ...[each.seats, each.booked, each.held].map(count)])),
      refusals.items.length === 0 ? null : table(["Refused because", "Times"], refusals.items.map((each) => [each.reason, count(each.count)])));
  }
  const timer = setInterval(() => { if (!document.hidden) load().catch(() => {}); }, AGAIN_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  load().catch((error) => put(element, h("p", {}, error.message)));
  return element;
}

function table([first, ...others], rows) {
  return h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, first), others.map((text) => h("th", { scope: "col", class: "number" }, text)))),
    h("tbody", {}, rows.map(([name, ...values]) => h("tr", {}, h("td", {}, name), values.map((value) => h("td", { class: "number" }, value))))));
}
