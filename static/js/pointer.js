// While a button of the mouse is down nothing may move under it, or the click would miss what it was meant for.

let down = null;
let release = () => {};

document.addEventListener("pointerdown", () => {
  down ??= new Promise((resolve) => {
    release = resolve;
  });
});
for (const end of ["pointerup", "pointercancel"]) {
  document.addEventListener(end, () => {
    down = null;
    // After the click that follows.
    setTimeout(release, 0);
  });
}

// Fulfilled when no button is down: at once, or after the click.
export function released() {
  return down ?? Promise.resolve();
}
