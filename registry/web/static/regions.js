"use strict";

// The boxes are the answer; the figure is another hand on them, and shows what they hold.
(() => {
  const boxes = [...document.querySelectorAll("[data-regions] input")];
  const nowhere = boxes.find((box) => box.value === "nowhere");
  const figure = document.querySelector("[data-body]");
  const ticked = document.querySelector("[data-body-ticked]");

  const words = (box) => box.closest("label").textContent.trim();

  const draw = () => {
    const chosen = boxes.filter((box) => box.checked);
    const regions = new Set(chosen.map((box) => box.value));
    for (const part of figure.querySelectorAll("[data-region]")) {
      part.classList.toggle("is-ticked", regions.has(part.dataset.region));
    }
    ticked.textContent = chosen.map(words).join(ticked.dataset.between);
  };

  for (const box of boxes) {
    box.addEventListener("change", () => {
      const ruledOut = !box.checked ? [] : box === nowhere ? boxes.filter((each) => each !== nowhere) : [nowhere];
      for (const each of ruledOut) each.checked = false;
      draw();
    });
  }
  figure.addEventListener("click", (event) => {
    const part = event.target.closest("[data-region]");
    if (part) boxes.find((box) => box.value === part.dataset.region).click();
  });
  // A page that comes back from the browser's memory brings its ticks along.
  window.addEventListener("pageshow", draw);
  figure.hidden = false;
  draw();
})();
