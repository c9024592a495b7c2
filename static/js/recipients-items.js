// The entries of the recipients, without the page: what is typed, read, merged, and posted.
//
// An item is { state, raw, e164, region, country, shown, reason }. Its state is `valid`, `wrong`, `reading` (the server
// is asked) or `unread` (it could not be asked). The raw text of the last two may hold several numbers: `count`.

// As in compose/recipients.py.
export const SEPARATORS = /[,;\t\r\n\v\f\u0085\u2028\u2029，；،؛]+/;

export const isValid = (item) => item.state === "valid";
export const isWrong = (item) => item.state === "wrong";
export const spelled = (item) => item.shown ?? item.e164 ?? item.raw;

export function entriesIn(text) {
  return text.split(SEPARATORS).filter((entry) => entry.trim() !== "");
}

export class Items {
  #all = [];
  #text = null;

  get all() {
    return this.#all;
  }

  set all(items) {
    this.#all = items;
    this.#text = null;
  }

  // What is posted for them, one a line. `draft` is what stands in a chip that is being corrected.
  get text() {
    this.#text ??= this.#all
      .map((item) => item.draft ?? (isValid(item) ? item.e164 : item.raw))
      .filter(Boolean)
      .join("\n");
    return this.#text;
  }

  change(item, values) {
    Object.assign(item, values);
    this.#text = null;
  }

  // The typed text as a new item that waits to be read; null when there is nothing in it.
  add(typed, at = this.#all.length) {
    const entries = entriesIn(typed);
    if (entries.length === 0) return null;
    // Of one number, only the number: what ended it is no part of it.
    const raw = entries.length === 1 ? entries[0].trim() : typed.trim();
    const item = { state: "reading", raw, count: entries.length };
    this.all = [...this.#all.slice(0, at), item, ...this.#all.slice(at)];
    return item;
  }

  remove(item) {
    this.all = this.#all.filter((other) => other !== item);
  }

  // The item gives its place to what the server read in it. A number that is there already is not there twice.
  resolve(item, answer) {
    const index = this.#all.indexOf(item);
    const known = new Set(this.#all.filter(isValid).map((other) => other.e164));
    const fresh = answer.items.filter((found) => !isValid(found) || !known.has(found.e164));
    this.all = [...this.#all.slice(0, index), ...fresh, ...this.#all.slice(index + 1)];
    return { fresh, merged: answer.duplicates + answer.items.length - fresh.length };
  }

  // region -> the name of the country.
  get regions() {
    return new Map(this.#all.filter(isValid).map((item) => [item.region, item.country]));
  }
}
