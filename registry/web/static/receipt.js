"use strict";

// Without a script the browser's own menu prints; with one there is a button for it.
for (const place of document.querySelectorAll("[data-print]")) {
  place.hidden = false;
  place.querySelector("button").addEventListener("click", () => window.print());
}
