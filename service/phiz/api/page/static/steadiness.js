// How much the landmarks of the largest face shake from frame to frame, if it is still.

const FRAMES = 45;
const MIN_FRAMES = 8;

export class Steadiness {
  shakes = [];
  tracked = [];

  add(faces) {
    const last = this.tracked.at(-1);
    const same = last && faces.find(({ box }) => isNear(box, last.box));
    const face = same ?? faces.toSorted((a, b) => b.box.width - a.box.width)[0];
    this.tracked = [...(same ? this.tracked.slice(-2) : []), ...(face ? [face] : [])];
    if (this.tracked.length === 3) this.shakes = [...this.shakes.slice(1 - FRAMES), shake(this.tracked)];
  }

  /** The median, as a share of the distance between the eyes; null before enough frames. */
  get median() {
    if (this.shakes.length < MIN_FRAMES) return null;
    return this.shakes.toSorted((a, b) => a - b)[this.shakes.length >> 1];
  }
}

/**
 * Return how far landmarks are from where an even movement would have taken them, as a root mean
 * square. Independent noise in each of the three frames makes it √6 times as large.
 */
function shake([first, second, third]) {
  const names = Object.keys(third.landmarks);
  const sum = names.reduce((total, name) => {
    const [a, b, c] = [first, second, third].map(({ landmarks }) => landmarks[name]);
    return total + (a.x - 2 * b.x + c.x) ** 2 + (a.y - 2 * b.y + c.y) ** 2;
  }, 0);
  const { left_eye: left, right_eye: right } = third.landmarks;
  const eyes = Math.hypot(right.x - left.x, right.y - left.y) || 1;
  return Math.sqrt(sum / names.length / 6) / eyes;
}

function isNear(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y) < b.width / 2;
}
