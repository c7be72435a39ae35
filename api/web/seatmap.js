// A map of seats to choose from, with mouse, finger or arrow keys; thousands stay fluid.

import { h, s } from "./dom.js";

const STEP = 12;
const SEAT = 8.6;
const ROW_LABEL = 26;
const SECTION_GAP = 16;
const STAGE = 22;

const mark = (state) =>
  s("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, s("rect", { class: "seat", x: 1, y: 1, width: 8, height: 8, rx: 2, ...state }));

/** `onChange` gets the labels chosen, whenever they change. */
export class SeatMap {
  constructor(map, most, onChange) {
    this.chosen = new Set();
    this.most = most;
    this.onChange = onChange;
    this.seats = new Map();
    this.rows = [];
    this.draw(map);
  }

  draw(map) {
    const longest = Math.max(...map.rows.map((row) => row.seats.length));
    const width = longest * STEP + 2 * ROW_LABEL;
    const listbox = s("g", { role: "listbox", "aria-multiselectable": "true", "aria-label": "Seats; arrow keys move, Space chooses" });
    let y = STAGE + 14;
    let section = null;
    for (const [index, row] of map.rows.entries()) {
      if (row.section !== section) {
        section = row.section;
        y += index > 0 || section ? SECTION_GAP : 0;
        if (section) listbox.append(s("text", { x: width / 2, y: y - 5, "text-anchor": "middle", "aria-hidden": "true" }, `Section ${section}`));
      }
      const left = (width - row.seats.length * STEP) / 2;
      listbox.append(s("text", { x: left - 4, y: y + 6.6, "text-anchor": "end", "aria-hidden": "true" }, row.row));
      const drawn = row.seats.map(({ seat, free }, place) => {
        const shape = s("rect", {
          class: "seat", role: "option", "aria-selected": "false", "data-seat": seat, tabindex: "-1",
          x: left + place * STEP + 1.7, y, width: SEAT, height: SEAT, rx: 2.2,
        });
        shape.at = [index, place];
        shape.category = row.category;
        this.seats.set(seat, shape);
        this.mark(shape, seat, free);
        return shape;
      });
      listbox.append(...drawn);
      this.rows.push(drawn);
      y += STEP;
    }
    this.rows[0]?.[0]?.setAttribute("tabindex", "0");
    this.box = [width, y + 8];
    this.picture = s("svg", { viewBox: `0 0 ${width} ${y + 8}` },
      s("path", { class: "stage", d: `M${width * 0.2} 4h${width * 0.6}l-8 ${STAGE - 8}h-${width * 0.6 - 16}z` }),
      s("text", { x: width / 2, y: 14, "text-anchor": "middle" }, "Stage"),
      listbox);
    listbox.addEventListener("click", (event) => this.toggle(event.target.closest(".seat")));
    listbox.addEventListener("keydown", (event) => this.key(event));
    this.frame = h("div", { class: "map" }, this.picture);
    this.element = h("div", {},
      h("div", { class: "legend" },
        h("span", {}, mark({}), "free"),
        h("span", {}, mark({ "aria-selected": "true" }), "yours"),
        h("span", {}, mark({ "aria-disabled": "true" }), "taken"),
        h("span", { class: "zoom" },
          h("button", { type: "button", class: "quiet small", "aria-label": "Smaller", onclick: () => this.zoom(1 / 1.5) }, "−"),
          h("button", { type: "button", class: "quiet small", "aria-label": "Larger", onclick: () => this.zoom(1.5) }, "+"))),
      this.frame);
    new ResizeObserver(() => { if (!this.scale) this.zoom(1); }).observe(this.frame);
  }

  zoom(factor) {
    const room = this.frame.clientWidth - 2;
    if (room <= 0) return;
    // Seats begin large enough to be hit, 24 pixels apart for a finger; smaller is a choice.
    const least = matchMedia("(pointer: coarse)").matches ? 24 / STEP : 1.6;
    const first = Math.min(Math.max(room / this.box[0], least), 3);
    this.scale = this.scale ? Math.min(Math.max(this.scale * factor, 0.3), 6) : first;
    this.picture.setAttribute("width", this.box[0] * this.scale);
    this.picture.setAttribute("height", this.box[1] * this.scale);
    if (factor === 1) this.frame.scrollLeft = (this.frame.scrollWidth - this.frame.clientWidth) / 2;
  }

  mark(shape, seat, free) {
    if (shape.free === free) return;
    shape.free = free;
    shape.setAttribute("aria-disabled", String(!free));
    const where = shape.category ? `${seat}, ${shape.category}` : seat;
    shape.setAttribute("aria-label", `${where}, ${free ? "free" : "taken"}`);
  }

  /** Takes over which seats are free; gives those of the chosen that are gone. */
  update(map) {
    const lost = [];
    for (const row of map.rows)
      for (const { seat, free } of row.seats) {
        const shape = this.seats.get(seat);
        if (!shape) continue;
        this.mark(shape, seat, free);
        if (!free && this.chosen.has(seat)) lost.push(seat);
      }
    for (const seat of lost) this.choose(seat, false);
    if (lost.length) this.onChange([...this.chosen]);
    return lost;
  }

  clear() {
    for (const seat of [...this.chosen]) this.choose(seat, false);
    this.onChange([]);
  }

  choose(seat, isChosen) {
    this.seats.get(seat).setAttribute("aria-selected", String(isChosen));
    if (isChosen) this.chosen.add(seat);
    else this.chosen.delete(seat);
  }

  toggle(shape) {
    if (!shape || !shape.free) return;
    const { seat } = shape.dataset;
    this.move(shape);
    if (!this.chosen.has(seat) && this.chosen.size >= this.most) return;
    this.choose(seat, !this.chosen.has(seat));
    this.onChange([...this.chosen]);
  }

  move(shape) {
    this.picture.querySelector('.seat[tabindex="0"]')?.setAttribute("tabindex", "-1");
    shape.setAttribute("tabindex", "0");
    shape.focus({ preventScroll: true });
  }

  key(event) {
    const shape = event.target.closest(".seat");
    if (!shape) return;
    const [row, place] = shape.at;
    const near = (r) => this.rows[r]?.[Math.min(place, this.rows[r].length - 1)];
    const to = {
      ArrowLeft: () => this.rows[row][place - 1], ArrowRight: () => this.rows[row][place + 1],
      ArrowUp: () => near(row - 1), ArrowDown: () => near(row + 1),
      Home: () => this.rows[row][0], End: () => this.rows[row].at(-1),
    }[event.key];
    if (to) {
      const next = to();
      if (next) { this.move(next); next.scrollIntoView({ block: "nearest", inline: "nearest" }); }
    } else if (event.key === " " || event.key === "Enter") this.toggle(shape);
    else return;
    event.preventDefault();
  }
}
