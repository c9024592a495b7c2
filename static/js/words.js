// The sentences of the compose page, which the server wrote in the reader's language into its data attributes.

const composer = document.querySelector("[data-composer]");

export const form = composer;
export const words = composer.dataset;
const plural = new Intl.PluralRules(words.lang);
const number = new Intl.NumberFormat(words.lang, { maximumFractionDigits: 3 });

/** The field of the form with this name. */
export const field = (name) => form.elements.namedItem(name);

/** The element of the page with the attribute data-`name`. */
export const part = (name) => document.querySelector(`[data-${name}]`);

/** A sentence with its `{places}` filled; numbers are written as the language writes them. */
export function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (whole, key) => {
    if (!(key in values)) return whole;
    return typeof values[key] === "number" ? number.format(values[key]) : values[key];
  });
}

/** The sentence data-text-`name`-one or data-text-`name`-other, whichever agrees with `n`. */
export function counted(name, n, values = {}) {
  const form = plural.select(n) === "one" ? "One" : "Other";
  return fill(words[`text${name}${form}`], { n, ...values });
}

/** What the server put into the page as JSON under this id. */
export const given = (id) => JSON.parse(document.getElementById(id).textContent);

/** A new element of this name with these children. */
export function make(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

/** Write `text` into the element unless it stands there already: an unchanged page is not laid out again. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
