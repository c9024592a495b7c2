// Which senders do not reach the countries of the recipients: marked where they are chosen, explained below.

const select = document.querySelector("select[name=sender]");
const note = document.getElementById("sender-reach");
// region -> id of a sender -> why it does not reach it. The name of a region comes with its recipients.
const reach = new Map();
let shown = [];

export function learnReach(found) {
  for (const [region, senders] of Object.entries(found)) reach.set(region, senders);
}

function explain() {
  const why = shown.map((region) => reach.get(region)?.[select.value]).filter(Boolean);
  const sentence = [...new Set(why)].join(" ");
  if (note.textContent !== sentence) note.textContent = sentence;
}

// `regions` -> the name of each country among the recipients.
export function showReach(regions, words) {
  shown = [...regions.keys()].sort();
  for (const option of select.options) {
    const names = shown.filter((region) => reach.get(region)?.[option.value]).map((region) => regions.get(region));
    const sender = option.textContent.trim();
    // The text of the option stays: other parts of the page show it as the sender's name.
    if (names.length === 0) option.removeAttribute("label");
    else {
      const some = names.length > 3 ? [...names.slice(0, 3), "…"] : names;
      option.label = words.textNotReached.replace("{sender}", sender).replace("{countries}", some.join(", "));
    }
  }
  explain();
}

select?.addEventListener("change", explain);
