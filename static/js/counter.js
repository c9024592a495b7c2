// The counter below the text: how many SMS, how much room is left, and whether the account sends so many.

import { announce } from "./announce.js";
import { counted, fill, part, words, write } from "./words.js";

const counter = part("counter");
const sms = part("counter-sms");
const left = part("counter-left");
const encoding = part("counter-encoding");
const tooLong = part("too-long");
const most = Number(words.maxParts);

/** Show what `segments` (see segments.js) of a text are; `empty` when nothing is written. */
export function count(segments, empty) {
  counter.hidden = empty;
  const long = !empty && segments.count > most;
  tooLong.hidden = !long;
  const complaint = long ? fill(words.textTooLong, { max: most }) : "";
  write(tooLong, complaint);
  if (empty) {
    announce("counter", "");
    return;
  }
  write(sms, counted("Sms", segments.count));
  write(left, counted("Left", segments.left));
  write(encoding, segments.encoding === "gsm7" ? words.textGsm7 : words.textUcs2);
  announce("counter", `${sms.textContent}. ${complaint || left.textContent}.`);
}
