// The chips say beside each number what the answer to the last form says in a list, twice.

import { counted } from "./recipients-words.js";

// `id` is the field's, `focus` goes to the first wrong number.
export function shortenErrors(id, input, wrong, words, focus) {
  document.getElementById(`${id}_error`)?.remove();
  const notes = (input.getAttribute("aria-describedby") ?? "").split(" ");
  input.setAttribute("aria-describedby", notes.filter((note) => note !== `${id}_error`).join(" "));
  const [link, ...others] = document.querySelectorAll(`#errors a[href="#${CSS.escape(id)}"]`);
  if (!link) return;
  for (const other of others) other.closest("li").remove();
  link.textContent = `${counted(words, "Wrong", wrong)}.`;
  link.closest("li").replaceChildren(link);
  link.addEventListener("click", (click) => {
    click.preventDefault();
    focus();
  });
  const banner = document.getElementById("errors");
  const left = banner.querySelectorAll("li").length;
  const title = left === 1 ? banner.dataset.one : banner.dataset.other.replace("{n}", left);
  banner.querySelector("[data-count]").textContent = title;
}
