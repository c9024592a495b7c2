// The errors of the last answer: what is being corrected is wrong no more, as far as anybody knows before the next.

import { fill, form } from "./words.js";

// The moment is one thing in three fields: correcting one may correct the error of another.
const TOGETHER = new Map(["when", "date", "time"].map((name) => [name, ["when", "date", "time"]]));

/** The field `changed` is being corrected: take its errors away, beside it and in the summary. */
export function settle(changed) {
  if (!form.querySelector(".is-invalid, [aria-invalid], .field-error[id]") && !document.getElementById("errors")) return;
  for (const name of TOGETHER.get(changed) ?? [changed]) takeAway(name);
  recount();
}

function takeAway(name) {
  const id = CSS.escape(`id_${name}`);
  document.getElementById(`id_${name}_error`)?.remove();
  for (const input of form.querySelectorAll(`[name="${CSS.escape(name)}"], #${id}`)) {
    input.classList.remove("is-invalid");
    input.removeAttribute("aria-invalid");
    const notes = (input.getAttribute("aria-describedby") ?? "").split(" ");
    const left = notes.filter((note) => note !== `id_${name}_error`).join(" ");
    if (left) input.setAttribute("aria-describedby", left);
    else input.removeAttribute("aria-describedby");
  }
  // The link to a group of radio buttons may name the first of them.
  for (const link of document.querySelectorAll(`#errors a[href="#id_${name}"], #errors a[href^="#id_${name}_"]`)) {
    link.closest("li").remove();
  }
}

function recount() {
  const banner = document.getElementById("errors");
  if (banner === null) return;
  const left = banner.querySelectorAll("li").length;
  if (left === 0) {
    banner.remove();
    return;
  }
  const title = left === 1 ? banner.dataset.one : fill(banner.dataset.other, { n: left });
  banner.querySelector("[data-count]").textContent = title;
}
