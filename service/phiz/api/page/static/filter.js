// Which faces of an answer are shown. The sliders act here, without another request.

/** The score limit of the second answer. */
export const WIDE_SCORE = 0.1;

/** Return the faces that pass the limits. A score of null is the model's own limit. */
export function filterFaces(faces, { score, size }) {
  return faces.filter(
    ({ box, score: own }) =>
      (score === null || own >= score) && Math.min(box.width, box.height) >= size,
  );
}

/** Return whether a model's default answer lacks faces that a score limit allows. */
export function needsWide(score, model) {
  return score !== null && score < model.min_score;
}
