// The phone beside the form: the final text as one bubble, as the phone shows it, or one bubble for each SMS.

import { field, fill, make, part, words, write } from "./words.js";

// A phone screen of marks says nothing: beyond these the text is simply in another script.
const MOST_MARKS = 60;

const whole = part("preview");
const parts = part("preview-parts");
const oneByOne = part("one-by-one");
const empty = part("preview-empty");
const clauseNote = part("preview-clause");
const sender = part("preview-sender");
let shown = null;

/**
 * Show the text that will be sent.
 *
 * @param {string} text with the clause at its end.
 * @param {string} clause the STOP clause, "" for none.
 * @param {object} segments of the text, see segments.js.
 * @param {boolean} nothing whether nothing is written.
 */
export function preview(text, clause, segments, nothing) {
  shown = { text, clause, segments, nothing };
  empty.hidden = !nothing;
  whole.hidden = nothing;
  clauseNote.hidden = nothing || clause === "";
  part("preview-toggle").hidden = nothing || segments.count < 2;
  const option = field("sender").selectedOptions[0];
  if (option) write(sender, option.dataset.name ?? option.textContent.trim());
  draw();
}

function draw() {
  const { text, clause, segments, nothing } = shown;
  const apart = oneByOne.checked && segments.count > 1 && !nothing;
  parts.hidden = !apart;
  whole.hidden = nothing || apart;
  if (nothing) {
    whole.replaceChildren();
    parts.replaceChildren();
  } else if (apart) {
    drawParts(segments.parts, clause.length);
  } else {
    whole.replaceChildren(bubble(text, clause.length, segments.forced));
  }
}

function drawParts(texts, clause) {
  // The clause is marked wherever the parts cut it: what is left of it is counted from the end.
  let before = texts.reduce((sum, text) => sum + text.length, 0) - clause;
  parts.replaceChildren(
    ...texts.map((text, index) => {
      const own = Math.max(0, Math.min(before, text.length));
      before -= text.length;
      const label = make("small", fill(words.textPart, { n: index + 1, total: texts.length }));
      return make("li", bubble(text, text.length - own, []), label);
    }),
  );
}

/** A text whose last `clause` characters are marked as the clause, and `forced` ones as what makes it longer. */
function bubble(text, clause, forced) {
  const made = make("p");
  const end = text.length - clause;
  let from = 0;
  for (const [index, character] of forced.length > MOST_MARKS ? [] : forced) {
    const mark = make("mark", character);
    mark.className = "mark-forced";
    made.append(text.slice(from, index), mark);
    from = index + character.length;
  }
  made.append(text.slice(from, end));
  if (clause) made.append(make("mark", text.slice(end)));
  return made;
}

oneByOne.addEventListener("change", () => {
  if (shown) draw();
});
