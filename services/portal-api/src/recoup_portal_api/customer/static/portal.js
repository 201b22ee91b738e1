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

function look(seconds) {
  setTimeout(async () => {
    let next = Math.min(seconds * 1.5, 15);
    try {
      const answer = await fetch(window.location.href, { cache: "no-store" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("main"), old = document.querySelector("main");
      const changed = fresh.querySelector("[data-state]")?.dataset.state !== old.querySelector("[data-state]")?.dataset.state;
      if (changed) {
        // The page as it is now brings its own script mark; loading it is simpler than grafting it in.
        window.location.reload();
        return;
      }
    } catch {
      next = 15;
    }
    look(next);
  }, seconds * 1000);
}

const polling = document.querySelector("main[data-poll]");
if (polling) look(Number(polling.dataset.poll));
