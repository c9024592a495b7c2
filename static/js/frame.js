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

// A page that follows something asks for itself again (templates/_live.html). Only what changed is taken over:
// the focus, a selection and an open detail elsewhere stay where they are.
function plain(element) {
  const copy = element.cloneNode(true);
  copy.classList.remove("htmx-request");
  if (copy.className === "") copy.removeAttribute("class");
  for (const details of copy.querySelectorAll("details")) details.open = false;
  for (const form of copy.querySelectorAll("form")) delete form.dataset.sent;
  // Another mask of the same token in each answer.
  for (const token of copy.querySelectorAll("[name=csrfmiddlewaretoken]")) token.remove();
  return copy;
}
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  const fresh = fragment.firstElementChild;
  if (fresh === null || fresh.id !== target.id) return;
  if (plain(target).isEqualNode(plain(fresh))) {
    event.detail.shouldSwap = false;
    return;
  }
  // An element that htmx keeps through the swap loses the focus where a browser cannot move it.
  const focused = document.activeElement;
  queueMicrotask(() => {
    if (focused?.isConnected && document.activeElement === document.body) focused.focus({ preventScroll: true });
  });
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
