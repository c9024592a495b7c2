// What a screen reader is told: the sentence as it stands when the person stops typing, and only when it is new.

import { part } from "./words.js";

const QUIET = 900;
const pending = new Map();
const said = new Map();

/**
 * Say a sentence in the live region data-live-`name` once nothing newer came for a moment.
 *
 * The figures beside the text change at each key: read out each time, they would talk over the writing.
 */
export function announce(name, sentence) {
  clearTimeout(pending.get(name));
  pending.set(
    name,
    setTimeout(() => {
      if (said.get(name) === sentence) return;
      said.set(name, sentence);
      part(`live-${name}`).textContent = sentence;
    }, QUIET),
  );
}
