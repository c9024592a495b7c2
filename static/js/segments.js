// How a text becomes SMS parts: the engine of compose/segments.py, for the counter of the page.
// Sources: 3GPP TS 23.038 §6.2.1 and 3GPP TS 23.040 §9.2.3.24.1. The server's count is the one that bills;
// a browser test compares the two on thousands of texts.

const BASIC =
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ" +
  " !\"#¤%&'()*+,-./0123456789:;<=>?" +
  "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§" +
  "¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION = "\f^{}\\[~]|€";

const MAX_PARTS = 255;
const LIMITS = { gsm7: { alone: 160, each: 153 }, ucs2: { alone: 70, each: 67 } };

const septets = new Map();
for (const character of BASIC) septets.set(character, 1);
for (const character of EXTENSION) septets.set(character, 2);

// With the u flag a surrogate in a class matches only where it stands alone.
const LONE_SURROGATE = /[\uD800-\uDFFF]/gu;

/**
 * Split a text into SMS parts.
 *
 * A lone surrogate counts as U+FFFD, which is what the form sends for it. The empty text has no part.
 *
 * @param {string} text counted as it stands: a textarea's value, whose line ends are LF.
 * @returns {{encoding: "gsm7"|"ucs2", parts: string[], count: number, used: number, left: number,
 *   limit: number, units: number, forced: [number, string][], tooLong: boolean}}
 *   used and left are septets or UTF-16 code units of the last part, units those of all parts; forced has
 *   the characters outside the GSM alphabet with their index in UTF-16 code units, as the text field's own
 *   selection counts; tooLong says that there are more than 255 parts, which the server refuses.
 */
export function segment(text) {
  const clean = text.replace(LONE_SURROGATE, "\uFFFD");
  const forced = [];
  let index = 0;
  let units = 0;
  for (const character of clean) {
    const size = septets.get(character);
    if (size === undefined) forced.push([index, character]);
    else units += size;
    index += character.length;
  }
  const encoding = forced.length === 0 ? "gsm7" : "ucs2";
  if (encoding === "ucs2") units = clean.length;

  const { alone, each } = LIMITS[encoding];
  const { parts, used } = fill(clean, encoding, units <= alone ? alone : each);
  const limit = parts.length > 1 ? each : alone;
  return {
    encoding,
    parts,
    count: parts.length,
    used,
    left: limit - used,
    limit,
    units,
    forced,
    tooLong: parts.length > MAX_PARTS,
  };
}

// Parts are filled one by one, so that none ends inside an escape pair or a surrogate pair.
function fill(text, encoding, limit) {
  const parts = [];
  let start = 0;
  let end = 0;
  let used = 0;
  for (const character of text) {
    const size = encoding === "gsm7" ? septets.get(character) : character.length;
    if (used + size > limit) {
      parts.push(text.slice(start, end));
      start = end;
      used = 0;
    }
    used += size;
    end += character.length;
  }
  if (end > start) parts.push(text.slice(start, end));
  return { parts, used };
}
