// Faces over a picture, as vectors, which are sharp at every density and zoom.

import { draw } from "./dom.js";

const LABEL_PX = 12;
const LABEL_WIDTH = 0.62; // of a letter, as a share of its height
const LABEL_GAP_PX = 4;
const MIN_LABELLED_PX = 22; // smaller boxes get a label when they are chosen
const SMALL_PX = 24; // lines and dots would hide a smaller face
const MAX_LABELS = 200;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Draw the faces of each answer. scale: pixels of the page for each of the picture. */
export function drawFaces(svg, size, layers, scale, chosen) {
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  const groups = layers.flatMap((faces, layer) =>
    faces.map((face, number) => {
      const kind = layer ? " dashed" : number === chosen ? " chosen" : "";
      return drawFace(face, scale, `face${kind}`);
    }),
  );
  svg.replaceChildren(...groups, ...drawLabels(layers[0], size, scale, chosen));
}

/** A small one has its box around it, and dots if it is chosen. */
function drawFace({ box, landmarks, id }, scale, kind) {
  const shown = Math.max(box.width, box.height) * scale;
  const width = clamp(shown * 0.014, 1.25, 2.5);
  const radius = clamp(shown * 0.02, 0.8, 3) / scale;
  const group = draw("g", { class: kind });
  if (id !== undefined) group.style.setProperty("--face", `hsl(${(id * 137.5) % 360} 85% 62%)`);
  const gap = shown < SMALL_PX ? 1 / scale : 0;
  const dots = gap && !kind.endsWith("chosen") ? [] : Object.values(landmarks);
  const [x, y] = [box.x - gap, box.y - gap];
  const rect = { x, y, width: box.width + 2 * gap, height: box.height + 2 * gap };
  group.append(
    draw("rect", { ...rect, class: "halo", "stroke-width": width * 2 }),
    draw("rect", { ...rect, class: "box", "stroke-width": width }),
    ...dots.map(({ x, y }) => draw("circle", { cx: x, cy: y, r: radius })),
  );
  return group;
}

/** Return a label for each face that has room for one. */
function drawLabels(faces, size, scale, chosen) {
  const height = LABEL_PX / scale;
  const gap = LABEL_GAP_PX / scale;
  const taken = [];
  return faces.slice(0, MAX_LABELS).flatMap((face, number) => {
    const { box, id, score } = face;
    const isChosen = number === chosen;
    if (!isChosen && box.width * scale < MIN_LABELLED_PX) return [];
    const text = `${id === undefined ? "" : `${id} · `}${score.toFixed(2)}`;
    const width = text.length * LABEL_WIDTH * height;
    const x = clamp(box.x, 0, Math.max(0, size.width - width));
    const inside = box.y + gap;
    const others = faces.filter((other) => other !== face).map((other) => other.box);
    const y = [box.y - gap - height, box.y + box.height + gap, inside].find((top) => {
      const covered = top === inside ? taken : [...taken, ...others];
      const label = { x, y: top, width, height };
      return top >= 0 && top + height <= size.height && !covered.some((each) => meets(label, each));
    });
    if (y === undefined && !isChosen) return [];
    const top = y ?? inside;
    taken.push({ x, y: top, width, height });
    return draw("text", { x, y: top + height * 0.86, "font-size": height }, text);
  });
}

function meets(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
