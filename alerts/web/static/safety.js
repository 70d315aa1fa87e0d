"use strict";

const board = document.getElementById("board");
const link = document.getElementById("link");
const problem = document.getElementById("problem");
const title = document.title;
let audio = null;
let loud = Number(board.dataset.loud);

// Browsers let a page make a sound once somebody has pressed something on it.
const sound = document.getElementById("sound");
sound.addEventListener("click", () => {
  audio = audio ?? new AudioContext();
  sound.textContent = sound.dataset.on;
  sound.classList.add("primary");
  beep();
});

function beep() {
  if (!audio) return;
  for (const [start, pitch] of [[0, 880], [0.25, 660], [0.5, 880]]) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = pitch;
    volume.gain.value = 0.4;
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + start);
    tone.stop(audio.currentTime + start + 0.2);
  }
}

// Until somebody takes the case.
setInterval(() => {
  document.title = loud && document.title === title ? `(${loud}) !!!` : title;
  if (loud) beep();
}, 1500);

function tell(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

async function post(address, body) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": board.dataset.csrf },
    body: JSON.stringify(body),
  });
  tell(answer.ok || answer.status === 409 ? "" : `${answer.status}`);
}

board.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-post]");
  if (button) post(button.dataset.post, JSON.parse(button.dataset.body ?? "{}"));
});
board.addEventListener("change", (event) => {
  const choice = event.target.closest("select[data-post]");
  if (choice?.value) post(choice.dataset.post, { [choice.dataset.field]: choice.value });
});
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "a" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) return;
  const first = board.querySelector("[data-open]");
  if (first) post(`/safety/cases/${first.dataset.case}/acknowledge`, {});
});

const stream = new EventSource("/safety/stream");
stream.addEventListener("board", (event) => {
  const said = JSON.parse(event.data);
  if (said.loud > loud) beep();
  loud = said.loud;
  // A choice that somebody is making is not taken away from under the mouse.
  if (!board.contains(document.activeElement) || document.activeElement.tagName !== "SELECT") board.innerHTML = said.html;
  link.textContent = link.dataset.live;
});
stream.addEventListener("over", () => location.reload());
stream.addEventListener("away", () => { link.textContent = link.dataset.away; });
stream.onerror = () => { link.textContent = link.dataset.lost; };
