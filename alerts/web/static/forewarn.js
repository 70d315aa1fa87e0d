"use strict";

// Asked of the document, by a script that ran before there was a field: one chosen while the page still loads counts too.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.submit();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copies);
  // Selected as well: where the browser refuses its clipboard, a key press copies it.
  window.getSelection().selectAllChildren(source);
  await navigator.clipboard.writeText(source.textContent);
  const label = button.dataset.label ?? button.textContent;
  button.dataset.label = label;
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = label; }, 1600);
});

async function draw(place) {
  try {
    const answer = await fetch(place.dataset.chart);
    if (!answer.ok) throw new Error(`chart: ${answer.status}`);
    const figure = await answer.json();
    if (figure.empty) {
      place.querySelector(".wait").textContent = figure.empty;
      return;
    }
    place.replaceChildren();
    // A phone has no room for as many ticks, nor for the axis title beside them.
    if (place.clientWidth < 520) {
      figure.layout.xaxis.nticks = 4;
      figure.layout.yaxis.title = undefined;
      figure.layout.margin.l = 44;
      figure.layout.annotations.forEach((note) => { note.font.size = 10; });
    }
    await Plotly.newPlot(place, figure.data, figure.layout, { displayModeBar: false, responsive: true });
    place.dataset.drawn = "true";
  } catch (error) {
    console.error(error);
    const failed = document.createElement("p");
    failed.className = "wait";
    failed.textContent = place.dataset.failed;
    place.replaceChildren(failed);
  }
}

// The chart waits for the large script after this one.
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-chart]").forEach(draw));

// Keys: whatever carries data-key is pressed by it, unless somebody is writing.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input:not([type=radio]), textarea, select")) return;
  const key = event.key.toLowerCase();
  if (key === "j" || key === "k") {
    const rows = [...document.querySelectorAll(".calls tbody tr")];
    if (!rows.length) return;
    const here = rows.findIndex((row) => row.classList.contains("is-here"));
    const next = rows[Math.min(Math.max(here + (key === "j" ? 1 : -1), 0), rows.length - 1)];
    rows.forEach((row) => row.classList.toggle("is-here", row === next));
    next.querySelector(".row-link").focus();
    event.preventDefault();
    return;
  }
  const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (target && !target.disabled) {
    event.preventDefault();
    target.click();
  }
});

// A list that is open shows what others do: it is fetched anew when the server says that something changed.
async function refresh() {
  const answer = await fetch(window.location.href, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const here = document.querySelector("tr.is-here .row-link")?.getAttribute("href");
  for (const part of [".calls", ".totals", ".next", ".chips"]) {
    const fresh = page.querySelector(part);
    const old = document.querySelector(part);
    if (fresh && old && !old.contains(document.activeElement)) old.replaceWith(fresh);
  }
  if (here) document.querySelector(`.row-link[href="${CSS.escape(here)}"]`)?.closest("tr").classList.add("is-here");
}

document.addEventListener("DOMContentLoaded", () => {
  const live = document.querySelector("[data-changes]");
  if (!live) return;
  const events = new EventSource(live.dataset.changes);
  events.addEventListener("changed", refresh);
  events.addEventListener("over", () => window.location.reload());
});
