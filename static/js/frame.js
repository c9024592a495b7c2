// What every page gains from JavaScript; each works without it.

// Menus close on a click elsewhere and on Escape, which gives the focus back.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// After an error the reader starts at its summary.
document.querySelector("[data-focus]")?.focus();

// A form is sent once, however often its button is pressed. Coming back to the page gives the button back.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent === "true") {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "true";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// When the session has ended, a request for a fragment is answered with the sign-in page: go there.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  const asked = new URL(requestConfig.path, location.href).pathname;
  if (xhr.responseURL && new URL(xhr.responseURL).pathname !== asked) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});

// A message that was sent needs its draft no more.
const sent = document.querySelector("[data-clear-draft]");
if (sent) {
  try {
    localStorage.removeItem(sent.dataset.clearDraft);
  } catch {
    // Storage is refused: there was no draft.
  }
}
