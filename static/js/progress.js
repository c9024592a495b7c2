// The bar of a submission moves by itself (templates/_live.html). A screen reader hears of it once, at the end: figures
// that change every few seconds would talk over everything else.

const said = document.querySelector("[data-said]");
let finished = document.querySelector("#bar[data-finished]") !== null;

document.addEventListener("htmx:oobAfterSwap", () => {
  const bar = document.querySelector("#bar[data-finished]");
  if (finished || bar === null) return;
  finished = true;
  said.textContent = bar.querySelector(".advance-words").textContent.trim();
});
