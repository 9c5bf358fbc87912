"use strict";

// What was chosen or typed and not yet sent is handed over once to the page in the other language.
(() => {
  const switcher = document.querySelector("[data-language-switch]");
  const fields = [...document.querySelectorAll("main input:not([type=hidden])")];
  const isBox = (field) => field.type === "radio" || field.type === "checkbox";

  const handOver = () => {
    const kept = fields.map((field) => (isBox(field) ? field.checked : field.value));
    // Storage is refused in some private windows: then the choice is made again.
    try {
      sessionStorage.setItem(switcher.elements.next.value, JSON.stringify(kept));
    } catch (refused) {
      return;
    }
  };

  const handedOver = () => {
    const page = switcher.elements.next.value;
    try {
      const kept = JSON.parse(sessionStorage.getItem(page));
      sessionStorage.removeItem(page);
      return kept;
    } catch (refused) {
      return null;
    }
  };

  // Older iPhones heed autofocus on form fields only.
  const summary = document.querySelector("[data-error-summary]");
  if (summary) summary.focus();
  if (!switcher) return;
  const kept = handedOver();
  if (kept && kept.length === fields.length) {
    fields.forEach((field, place) => (field[isBox(field) ? "checked" : "value"] = kept[place]));
  }
  switcher.addEventListener("submit", handOver);
})();
