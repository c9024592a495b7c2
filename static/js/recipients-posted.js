// The text area behind the chips: what is posted, one number a line, and told to the page when it changes.

const PAUSE = 200; // milliseconds

export class Posted {
  // What the text area holds, and what the page was told of last.
  #held = null;
  #told = "";
  #timer = 0;

  constructor(area, items, input) {
    Object.assign(this, { area, items, input });
  }

  sync() {
    const text = [this.items.text, this.input.value.trim()].filter(Boolean).join("\n");
    if (text !== this.#held) this.area.value = text;
    this.#held = text;
  }

  tell() {
    clearTimeout(this.#timer);
    // As a list, it speaks for itself.
    if (!this.area.hidden) return;
    this.sync();
    if (this.#held === this.#told) return;
    this.#told = this.#held;
    // What the server said of the numbers that were there before.
    document.querySelector("#recipient-notes .numbers-wrong")?.remove();
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // Between two keys nothing long is written: of thousands of numbers that takes longer than a key.
  tellSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.tell(), PAUSE);
  }

  // The same numbers in another spelling are no change.
  respell() {
    this.sync();
    this.#told = this.#held;
  }

  // The text area as somebody else set it.
  take() {
    clearTimeout(this.#timer);
    this.#held = this.#told = this.area.value;
    return this.#held;
  }
}
