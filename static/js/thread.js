// A conversation: it begins at its newest line, follows what arrives without moving what is read, and says so politely.

const news = document.querySelector("[data-news]");
const end = document.getElementById("reply") ?? document.querySelector(".thread-page > :last-child");
const came = () => new Set(Array.from(document.querySelectorAll("[data-came]"), (line) => line.dataset.came));

let known = came();
let above = null;

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  if (event.detail.target.id !== "thread") return;
  const { top } = end.getBoundingClientRect();
  above = top < window.innerHeight ? top : null;
});

document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id !== "thread") return;
  // What stands below the lines stays where it is on the screen: somebody may be writing there.
  if (above !== null) window.scrollBy({ top: end.getBoundingClientRect().top - above, behavior: "instant" });
  const lines = Array.from(document.querySelectorAll("[data-came]")).filter((line) => !known.has(line.dataset.came));
  known = came();
  if (lines.length === 0) return;
  const texts = lines.map((line) => line.querySelector(".bubble p").textContent);
  news.textContent = `${news.dataset.text} ${texts.join(" ")}`;
});

// Older pages and errors begin where the browser or the error's summary says.
const older = new URLSearchParams(location.search).has("before");
if (!older && !document.querySelector("[data-focus]") && location.hash === "") {
  end.scrollIntoView({ block: "end", behavior: "instant" });
}
