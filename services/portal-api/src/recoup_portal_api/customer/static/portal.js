// Makes the pages quicker; without it everything works by a button or a reload.
"use strict";

document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("button")) button.disabled = true;
});

// A page that comes back from the browser's memory shows its buttons again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

const byItself = document.querySelector("form[data-by-itself]");
if (byItself) byItself.requestSubmit();

const polling = document.querySelector("main[data-poll]");
const stateOf = (page) => page.querySelector("[data-state]")?.dataset.state;
let pause = 0, waiting;

async function look() {
  clearTimeout(waiting);
  pause = Math.min(pause * 1.5, 15);
  try {
    const answer = await fetch(window.location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // The page as it is now brings its own script mark; loading it is simpler than grafting it in.
    if (stateOf(page) !== stateOf(document)) return window.location.reload();
  } catch {
    pause = 15;
  }
  waiting = setTimeout(look, pause * 1000);
}

if (polling) {
  pause = Number(polling.dataset.poll);
  waiting = setTimeout(look, pause * 1000);
  // Whoever comes back from the bank's page wants to know now.
  document.addEventListener("visibilitychange", () => document.hidden || look());
}
