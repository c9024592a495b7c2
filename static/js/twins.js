// The plain twins of special characters: compose/twins.py again, for the page. A browser test holds the two together.

import { segment } from "./segments.js";

const NOTHING_SPECIAL = /^[\n\x20-\x5f\x61-\x7e]*$/;
// Letters and digits of another font (Mathematical Alphanumeric Symbols).
const FONTS = /[\u{1d400}-\u{1d7ff}]/gu;
const STROKES = "\\u0335-\\u0338";
const ACCENTS = "\\u0300-\\u0334\\u0339-\\u036f";
// Joiners, directions, variations of emoji: noise in a text that is otherwise in the alphabet.
const STEERING = new RegExp(`[\\u200c-\\u200f\\u061c\\u202a-\\u202e\\u2066-\\u2069\\ufe0e\\ufe0f\\u20e3${ACCENTS}]`, "gu");
const ACCENTS_OF_LETTERS = new RegExp(`(?<=[A-Za-zÀ-ÖØ-öø-ɏΑ-Ω])[${ACCENTS}]+`, "gu");
const BEHIND_DIGIT = /\p{Nd}$/u;
const BEHIND_LETTER = /[A-Za-z]$/;

function classOf(characters) {
  if (characters.length === 0) return "(?!)";
  return `[${characters.map((character) => `\\u{${character.codePointAt(0).toString(16)}}`).join("")}]`;
}

// Accents composed with their letters (form NFC), and letters of another font as the ordinary ones.
function composed(text) {
  return text.replace(FONTS, (character) => character.normalize("NFKC")).normalize("NFC");
}

/**
 * A function that gives each character of a text that has a twin its twin.
 *
 * @param {Object<string, string>} table the twin of each character, "" for one that is taken out; a key of
 *   two has what stands for the second one behind a digit ("0") or a letter ("a"). The server puts it into the page.
 * @returns {(text: string) => string}
 */
export function replacing(table) {
  const twins = new Map(Object.entries(table));
  const single = [...twins.keys()].filter((key) => Array.from(key).length === 1);
  const invisible = new RegExp(classOf(single.filter((character) => twins.get(character) === "")), "gu");
  const visible = new RegExp(`${classOf(single.filter((character) => twins.get(character)))}(?![${STROKES}])`, "gu");

  function converted(text) {
    const plain = text.replace(visible, (character, at, whole) => {
      const before = whole.slice(Math.max(0, at - 2), at);
      const kind = BEHIND_DIGIT.test(before) ? "0" : BEHIND_LETTER.test(before) ? "a" : "";
      return twins.get(kind + character) ?? twins.get(character);
    });
    return plain.replace(ACCENTS_OF_LETTERS, "");
  }

  return (text) => {
    // At each key, most texts have nothing to look at.
    if (NOTHING_SPECIAL.test(text)) return text;
    const whole = composed(text.replace(invisible, ""));
    if (whole.search(STEERING) >= 0) {
      const bare = converted(composed(whole.replace(STEERING, "")));
      if (segment(bare).encoding === "gsm7") return bare;
    }
    return converted(whole);
  };
}
