// What the server reads in a text of numbers.

const PATIENCE = 20_000; // milliseconds

// The entries of `text` as { items, duplicates, reach }, or { error } with a sentence when there are too many.
// Rejects when there is no such answer: the network, a session that has ended, a text that is too large.
export async function askAbout(text, root) {
  const body = new FormData();
  body.set("recipients", text);
  // The account that the page was made in goes along: without it, or with another one, there is no answer.
  for (const name of ["csrfmiddlewaretoken", "made_in"]) {
    body.set(name, root.closest("form").elements.namedItem(name).value);
  }
  const response = await fetch(root.dataset.url, { method: "POST", body, signal: AbortSignal.timeout(PATIENCE) });
  const json = response.headers.get("Content-Type")?.startsWith("application/json");
  if (!json || !(response.ok || response.status === 422)) throw new Error(`numbers: ${response.status}`);
  const answer = await response.json();
  if (answer.error) return answer;
  return { items: [...answer.entries.map(entry), ...lines(answer)], duplicates: answer.duplicates, reach: answer.reach };
}

function entry(found) {
  return { state: found.e164 ? "valid" : "wrong", ...found };
}

// The entries behind the first ones come a line each: a number and its region, or a text and the key of its reason.
function lines({ list, countries, reasons }) {
  if (list === "") return [];
  return list.split("\n").map((line) => {
    const [text, key] = line.split("\t");
    if (key in countries) return { state: "valid", e164: text, region: key, country: countries[key] };
    return { state: "wrong", raw: text, reason: reasons[key] };
  });
}
