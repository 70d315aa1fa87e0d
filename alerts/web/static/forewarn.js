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
