"use strict";

(() => {
  const HIGHEST = 100;
  const ANNOUNCE_AFTER_MS = 700;

  // The server parses the text again; here a number only places the marker. NFKC turns １００ into 100.
  const scoreOf = (text) => {
    const digits = text.normalize("NFKC").trim();
    const score = /^\d{1,3}$/.test(digits) ? Number(digits) : HIGHEST + 1;
    return score <= HIGHEST ? score : null;
  };

  const within = (score) => Math.min(HIGHEST, Math.max(0, score));

  // The answers of one page view, kept beside its history entry: no other visit can meet them.
  const keepInHistory = (kept) => history.replaceState({ vas: kept }, "");
  const keptInHistory = () => (history.state && history.state.vas) || null;

  // Switching the language loads a new page, to which a mark not yet saved is handed over once.
  // Storage is refused in some private windows: then the mark is made again.
  const handOver = (page, kept) => {
    try {
      sessionStorage.setItem(page, JSON.stringify(kept));
    } catch (refused) {
      return;
    }
  };
  const handedOver = (page) => {
    try {
      const kept = JSON.parse(sessionStorage.getItem(page));
      sessionStorage.removeItem(page);
      return kept;
    } catch (refused) {
      return null;
    }
  };

  class Scale {
    constructor(root) {
      this.root = root;
      this.words = root.dataset;
      this.insertLine();
      this.served = JSON.stringify([this.field.value, this.skip.checked]);
      this.state = this.recalled() || this.servedState();
      this.skip.checked = this.state.isSkipped;
      this.drag = null;
      this.pointerType = "mouse";
      this.listenToStrip();
      this.listenToButtons();
      this.listenToPage();
      // Last, so that the text field stays usable if anything above failed.
      this.showNumber(this.state.text !== "" && scoreOf(this.state.text) === null);
    }

    insertLine() {
      const template = this.root.querySelector("template");
      template.replaceWith(template.content.cloneNode(true));
      for (const part of this.root.querySelectorAll("[data-part]")) this[part.dataset.part] = part;
    }

    servedState() {
      const text = this.field.value;
      const isMark = scoreOf(text) !== null && this.mode.dataset.stored !== "";
      const mode = isMark ? this.mode.dataset.stored : "number";
      return { text, mode, isSkipped: this.skip.checked, firstMarkMs: null, changes: 0 };
    }

    recalled() {
      const switcher = document.querySelector("[data-language-switch]");
      this.page = switcher ? switcher.elements.next.value : null;
      const found = [this.page && handedOver(this.page), keptInHistory()];
      // What the server has learnt since then is newer than what this page remembers.
      const kept = found.find((each) => each && each.served === this.served);
      return kept ? kept.state : null;
    }

    listenToStrip() {
      this.strip.addEventListener("pointerdown", (event) => this.startDrag(event));
      this.strip.addEventListener("pointermove", (event) => this.isDragged(event) && this.draw(this.scoreAt(event)));
      this.strip.addEventListener("pointerup", (event) => this.isDragged(event) && this.endDrag(event));
      this.strip.addEventListener("pointercancel", (event) => this.isDragged(event) && this.cancelDrag());
      this.strip.addEventListener("contextmenu", (event) => event.preventDefault());
      this.range.addEventListener("input", () => this.put(Number(this.range.value), "keyboard"));
      this.range.addEventListener("keydown", (event) => this.pressKey(event));
    }

    listenToButtons() {
      this.root.addEventListener("pointerdown", (event) => (this.pointerType = event.pointerType || "mouse"));
      for (const button of this.root.querySelectorAll("[data-nudge]")) {
        button.addEventListener("click", (event) => this.nudge(Number(button.dataset.nudge), event));
        // A key held down by a trembling hand would otherwise press the button again and again.
        button.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
      }
      this.clear.addEventListener("click", () => {
        this.removeMark();
        this.range.focus();
      });
      this.toggle.addEventListener("click", () => this.toggleNumber());
      this.field.addEventListener("input", () => this.update({ text: this.field.value, mode: "number" }));
      this.field.addEventListener("change", () => this.endTyping());
      this.skip.addEventListener("change", () => this.update({ isSkipped: this.skip.checked }));
    }

    listenToPage() {
      // An open, empty number field hides the number of a mark: at the last moment it gets it.
      this.field.form.addEventListener("submit", () => (this.field.value = this.submitted()));
      window.addEventListener("pageshow", () => this.render());
      const switcher = document.querySelector("[data-language-switch]");
      if (switcher) switcher.addEventListener("submit", () => handOver(this.page, this.kept()));
      for (const link of document.querySelectorAll(`a[href="#${this.field.id}"]`)) {
        link.addEventListener("click", (event) => this.followErrorLink(event));
      }
    }

    followErrorLink(event) {
      event.preventDefault();
      (this.number.hidden ? this.range : this.field).focus();
    }

    isDragged(event) {
      return this.drag === event.pointerId;
    }

    startDrag(event) {
      if (this.drag !== null || !event.isPrimary || event.button !== 0 || this.state.isSkipped) return;
      this.drag = event.pointerId;
      this.strip.setPointerCapture(event.pointerId);
    }

    endDrag(event) {
      this.drag = null;
      this.put(this.scoreAt(event), event.pointerType || "mouse");
    }

    cancelDrag() {
      this.drag = null;
      this.render();
    }

    scoreAt(event) {
      const line = this.line.getBoundingClientRect();
      return within(Math.round((HIGHEST * (event.clientX - line.left)) / line.width));
    }

    pressKey(event) {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const isSet = this.score() !== null;
      // At 0 the browser reports no change, and "no pain at all" would be the one answer that keys cannot give.
      const setsZero = !isSet && ["Home", " ", "Enter"].includes(event.key);
      const removes = isSet && ["Delete", "Backspace"].includes(event.key);
      if (setsZero || removes) event.preventDefault();
      if (setsZero) this.put(0, "keyboard");
      if (removes) this.removeMark();
    }

    nudge(step, event) {
      // Hidden while nothing is marked: a program that presses it all the same makes no answer.
      if (this.score() === null) return;
      const isKey = event.detail === 0;
      this.put(within(this.score() + step), isKey ? "keyboard" : this.pointerType);
    }

    toggleNumber() {
      const isOpening = this.number.hidden;
      // A closed field must not send what nobody can see.
      if (!isOpening && this.score() === null) this.update({ text: "", mode: "" });
      this.showNumber(isOpening);
      if (isOpening) this.field.focus();
    }

    put(score, mode) {
      this.count();
      this.update({ text: String(score), mode });
      this.announce(this.words.marked);
    }

    removeMark() {
      this.count();
      this.update({ text: "", mode: "" });
      this.announce(this.words.removed);
    }

    endTyping() {
      this.count();
      this.update({});
    }

    count() {
      this.state.changes += 1;
      if (this.state.firstMarkMs === null) this.state.firstMarkMs = Math.round(performance.now());
    }

    update(change) {
      Object.assign(this.state, change);
      this.render();
      keepInHistory(this.kept());
    }

    kept() {
      return { served: this.served, state: this.state };
    }

    score() {
      return this.state.isSkipped ? null : scoreOf(this.state.text);
    }

    submitted() {
      return this.state.isSkipped ? "" : this.state.text;
    }

    shown() {
      const isMark = this.state.mode !== "number";
      return !this.number.hidden && isMark ? "" : this.submitted();
    }

    showNumber(isOpen) {
      this.number.hidden = !isOpen;
      this.toggle.setAttribute("aria-expanded", String(isOpen));
      this.render();
    }

    announce(words) {
      clearTimeout(this.announcement);
      this.announcement = setTimeout(() => (this.live.textContent = words), ANNOUNCE_AFTER_MS);
    }

    draw(score) {
      this.marker.hidden = score === null;
      this.marker.style.left = `${score === null ? 0 : score}%`;
    }

    render() {
      const score = this.score();
      const isUnset = score === null;
      this.draw(score);
      this.root.dataset.state = this.state.isSkipped ? "skipped" : isUnset ? "unset" : "set";
      this.status.textContent = isUnset ? this.words.unset : this.words.marked;
      this.range.value = isUnset ? 0 : score;
      this.range.disabled = this.toggle.disabled = this.field.readOnly = this.state.isSkipped;
      this.range.setAttribute("aria-valuetext", isUnset ? this.words.unset : this.words.valueText.replace("{n}", score));
      this.writeFields();
    }

    writeFields() {
      // Writing the same text again would move the caret and break off Japanese input.
      if (this.field.value !== this.shown()) this.field.value = this.shown();
      this.mode.value = this.submitted() === "" ? "" : this.state.mode;
      this.meta.value = this.state.changes === 0 ? "" : JSON.stringify(this.measured());
    }

    measured() {
      return {
        line_px: Math.round(this.line.getBoundingClientRect().width),
        viewport_px: window.innerWidth,
        dpr: window.devicePixelRatio,
        ms_to_first_mark: this.state.firstMarkMs,
        n_changes: this.state.changes,
      };
    }
  }

  // Older iPhones heed autofocus on form fields only.
  const summary = document.querySelector("[data-error-summary]");
  if (summary) summary.focus();
  if (window.PointerEvent) {
    for (const root of document.querySelectorAll("[data-vas]")) new Scale(root);
  }
})();
