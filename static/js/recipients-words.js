// The words of the recipients, from the data attributes of their field, with numbers in the reader's language.

const language = document.documentElement.lang;
const plural = new Intl.PluralRules(language);
const number = new Intl.NumberFormat(language);
// Countries that a summary names.
const MOST_NAMED = 4;

// The sentence `name` for so many: `text<Name>One` or `text<Name>Other`, with {n} filled in.
export function counted(words, name, n) {
  const form = plural.select(n) === "one" ? "One" : "Other";
  return words[`text${name}${form}`].replace("{n}", number.format(n));
}

// "France 9,900 · Belgium 98 · 2 other countries": the most numerous first.
export function byCountry(words, items) {
  const counts = new Map();
  for (const { country } of items) counts.set(country, (counts.get(country) ?? 0) + 1);
  const order = [...counts].sort(([, one], [, other]) => other - one);
  const named = order.slice(0, MOST_NAMED).map(([country, n]) => `${country} ${number.format(n)}`);
  const others = order.length - named.length;
  return [...named, ...(others > 0 ? [counted(words, "Countries", others)] : [])].join(" · ");
}
