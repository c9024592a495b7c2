// How the recipients look: the chips, of a long list a few, and below them how many there are and from where.

import { drawChip } from "./recipients-chip.js";
import { isValid, isWrong, spelled } from "./recipients-items.js";
import { byCountry, counted } from "./recipients-words.js";

// So many chips are drawn, among them so many wrong ones, and the last few beside what is typed next.
const MOST_DRAWN = 40;
const MOST_WRONG_DRAWN = 20;
const LAST_DRAWN = 3;

export class View {
  // The item whose number is being corrected: its chip is left alone.
  editing = null;

  constructor(root, items, words) {
    Object.assign(this, { root, items, words });
    [this.box, this.list, this.input, this.foot, this.said] = ["", "-list", "-input", "-foot", "-said"].map((name) =>
      root.querySelector(`[data-chips${name}]`),
    );
  }

  part(name) {
    return this.root.querySelector(`[data-chips-${name}]`);
  }

  get chips() {
    return [...this.list.querySelectorAll(":scope > .chip")];
  }

  itemOf(element) {
    return element.closest(".chip").item;
  }

  // Draw what changed. Returns the numbers in sight whose spelling is not known yet.
  render({ asList, event, undo }) {
    const { first, moreWrong, then, more, last } = this.#chosen();
    this.#place([
      ...first.map((item) => this.#elementOf(item)),
      ...(moreWrong > 0 ? [this.#marker("MoreWrong", moreWrong)] : []),
      ...then.map((item) => this.#elementOf(item)),
      ...(more > 0 ? [this.#marker("More", more)] : []),
      ...last.map((item) => this.#elementOf(item)),
    ]);
    this.#renderFoot({ asList, event, undo, long: more > 0 });
    this.input.placeholder = this.items.all.length > 0 ? this.words.textAnother : "";
    this.box.classList.toggle("is-invalid", this.items.all.some(isWrong));
    this.explain(asList);
    return [...then, ...last].filter((item) => isValid(item) && !item.shown);
  }

  // The server's notes say again what the chips say, or what is not typed to its end: they are not shown then.
  explain(asList) {
    const ours = this.items.all.some(isWrong) || this.input.value.trim() !== "";
    this.root.toggleAttribute("data-explained", !asList && ours);
  }

  // Said to those who do not see it, once for each thing that happens.
  say(sentence) {
    const figures = this.#figures().filter(Boolean);
    this.said.textContent = [sentence, ...figures.map((figure) => `${figure}.`)].filter(Boolean).join(" ");
  }

  focus(chip) {
    for (const other of this.chips) setStop(other, other === chip);
    (chip?.querySelector("[data-chip-main]") ?? this.input).focus();
  }

  focusItem(item) {
    this.focus(item?.element?.isConnected ? item.element : null);
  }

  #chosen() {
    const { all } = this.items;
    if (all.length <= MOST_DRAWN) return { first: [], moreWrong: 0, then: all, more: 0, last: [] };
    const last = all.slice(-LAST_DRAWN).filter((item) => !isWrong(item));
    const wrong = all.filter(isWrong);
    const first = wrong.slice(0, MOST_WRONG_DRAWN);
    const room = MOST_DRAWN - first.length - last.length;
    const then = [];
    for (const item of all) {
      if (then.length === room) break;
      if (!isWrong(item) && !last.includes(item)) then.push(item);
    }
    const { editing } = this;
    if (editing && isWrong(editing) && !first.includes(editing)) first.push(editing);
    if (editing && !isWrong(editing) && ![...then, ...last].includes(editing)) then.push(editing);
    const moreWrong = wrong.length - first.length;
    return { first, moreWrong, then, more: all.length - wrong.length - then.length - last.length, last };
  }

  #elementOf(item) {
    const look = `${item.state} ${item.shown ?? ""}`;
    if (item.look !== look && item !== this.editing) {
      const text = item.state === "reading" && item.count > 1 ? counted(this.words, "Reading", item.count) : spelled(item);
      item.element = drawChip(item, text, this.words);
      item.element.item = item;
      item.look = look;
    }
    return item.element;
  }

  #marker(name, n) {
    const element = document.createElement("li");
    element.className = name === "MoreWrong" ? "chips-more chips-more--wrong" : "chips-more";
    element.textContent = counted(this.words, name, n);
    return element;
  }

  // Only what is not in its place is moved: the chip that has the focus, or is being corrected, stays as it is.
  #place(wanted) {
    const { list } = this;
    const focused = document.activeElement;
    const item = list.contains(focused) ? this.itemOf(focused) : null;
    const inside = new Set(wanted);
    for (const element of [...list.children]) if (!inside.has(element)) element.remove();
    wanted.forEach((element, index) => {
      if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
    });
    if (item && document.activeElement !== focused && item.element.isConnected) this.focusItem(item);
    // One stop for Tab among the chips; the arrows move it.
    const { chips } = this;
    const stop = chips.find((chip) => chip.contains(document.activeElement)) ?? chips.at(-1);
    for (const chip of chips) setStop(chip, chip === stop);
  }

  // How many can be sent to, and how many not yet; "" for none.
  #figures() {
    const { all } = this.items;
    const said = (name, n) => (n > 0 ? counted(this.words, name, n) : "");
    return [said("Recipient", all.filter(isValid).length), said("Wrong", all.filter(isWrong).length)];
  }

  #renderFoot({ asList, event, undo, long }) {
    const { all } = this.items;
    const unread = all.filter((item) => item.state === "unread");
    const missing = unread.reduce((sum, item) => sum + item.count, 0);
    const [good, bad] = all.length > 1 && !asList ? this.#figures() : ["", ""];
    const lines = [
      [long && good ? `${good} (${byCountry(this.words, all.filter(isValid))})` : good, ""],
      [bad, "chips-wrong"],
      [missing > 0 && !asList ? counted(this.words, "Unread", missing) : "", ""],
      [asList ? "" : event, ""],
    ];
    const spans = lines.filter(([sentence]) => sentence).map(([sentence, look]) => {
      const element = document.createElement("span");
      element.textContent = sentence;
      element.className = look;
      return element;
    });
    this.part("summary").replaceChildren(...spans);
    const few = all.length < 2 && !(all[0]?.count > 1);
    this.part("retry").hidden = asList || missing === 0;
    this.part("undo").hidden = asList || !undo;
    this.part("empty").hidden = asList || few;
    this.part("toggle").hidden = !asList && few;
    this.part("toggle").textContent = asList ? this.words.textAsChips : this.words.textAsList;
    const quiet = [...this.foot.querySelectorAll("button")].every((button) => button.hidden);
    this.foot.hidden = quiet && spans.length === 0;
  }
}

function setStop(chip, on) {
  for (const button of chip.querySelectorAll("button")) button.tabIndex = on ? 0 : -1;
}
