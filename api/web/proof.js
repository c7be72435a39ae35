// What verifying looked at, as a picture: entries below, the tree over them, its root and the seal.
// The steps beside it say the same in words.

import { s } from "./dom.js";

const CELLS = 96;
const GROUP = 8;
const WIDTH = 600;

/** A picture to be filled: `reach` colours the entries up to a share, `root` and `seal` the rest. */
export function proofPicture() {
  const cell = WIDTH / CELLS;
  const cells = Array.from({ length: CELLS }, (_, n) => s("rect", { x: n * cell + 0.5, y: 118, width: cell - 1, height: 14 }));
  const nodes = Array.from({ length: CELLS / GROUP }, (_, n) => s("circle", { cx: (n + 0.5) * GROUP * cell, cy: 82, r: 4 }));
  const branches = s("path", { class: "branch", d: nodes.map((_, n) => {
    const x = (n + 0.5) * GROUP * cell;
    return `M${WIDTH / 2} 34L${x} 82` + [0, GROUP - 1].map((at) => `M${x} 82L${(n * GROUP + at + 0.5) * cell} 118`).join("");
  }).join("") });
  const root = s("circle", { cx: WIDTH / 2, cy: 26, r: 12 });
  const seal = s("path", { d: `M${WIDTH / 2 + 34} 14l12 5v9q0 9-12 13q-12-4-12-13v-9z` });
  const element = s("svg", { class: "proof", viewBox: `0 0 ${WIDTH} 136`, role: "img", "aria-label": "Entries, tree, root and signature that were checked" },
    branches, cells, nodes, root, seal);
  const mark = (shape, isGood) => shape.setAttribute("class", isGood === null ? "open" : isGood ? "good" : "bad");
  let reached = 0;
  return {
    element,
    begin() {
      reached = 0;
      for (const shape of [...cells, ...nodes, root, seal]) shape.removeAttribute("class");
    },
    /** Everything up to this share of the entries was looked at; `isGood` is of what came since. */
    reach(share, isGood) {
      const to = Math.min(CELLS, Math.floor(share * CELLS));
      for (; reached < to; reached++) {
        mark(cells[reached], isGood);
        const node = nodes[Math.floor(reached / GROUP)];
        mark(node, isGood && node.getAttribute("class") !== "bad");
      }
      if (!isGood && reached > 0) mark(cells[reached - 1], false);
    },
    root: (isGood) => mark(root, isGood),
    seal: (isGood) => mark(seal, isGood),
  };
}
