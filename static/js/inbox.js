// The list of received SMS: choosing its messages, and following what arrives without losing the choice.

const rows = document.getElementById("rows");
const news = document.querySelector("[data-news]");
const language = rows.dataset.lang;
const plural = new Intl.PluralRules(language);
const number = new Intl.NumberFormat(language);

const boxes = (within = document) => Array.from(within.querySelectorAll("input[name=pk][type=checkbox]"));
const ids = () => new Set(Array.from(document.querySelectorAll("[data-row]"), (row) => row.dataset.row));

let known = ids();

function show() {
  const form = document.querySelector("[data-chosen]");
  if (form === null) return;
  const all = boxes(form);
  const chosen = all.filter((box) => box.checked).length;
  const choose = form.querySelector("#choose-all");
  form.querySelector("[data-choose-all]").hidden = false;
  form.querySelector("[data-choose-link]").hidden = true;
  choose.checked = chosen === all.length;
  choose.indeterminate = chosen > 0 && chosen < all.length;
  const count = form.querySelector("[data-chosen-count]");
  count.textContent = chosen === 0 ? "" : count.dataset.text.replace("{n}", number.format(chosen));
}

document.addEventListener("change", (event) => {
  if (event.target.id === "choose-all") {
    for (const box of boxes()) box.checked = event.target.checked;
  }
  if (event.target.id === "choose-all" || event.target.name === "pk") show();
});

// The list is there again: what was chosen in it stays chosen.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  if (target.id !== "rows") return;
  const before = new Map(boxes(target).map((box) => [box.value, box.checked]));
  for (const box of boxes(fragment)) box.checked = before.get(box.value) ?? false;
});

document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id !== "rows") return;
  show();
  const first = known.size === 0 ? 0 : Math.max(...Array.from(known, Number));
  const fresh = Array.from(ids()).filter((id) => Number(id) > first);
  known = ids();
  if (fresh.length === 0) return;
  const form = plural.select(fresh.length) === "one" ? "textOne" : "textOther";
  news.textContent = news.dataset[form].replace("{n}", number.format(fresh.length));
});

show();
