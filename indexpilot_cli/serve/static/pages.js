"use strict";
// Comfort only: every page works without. Parts whose numbers are on their way are fetched again, the slider shows
// its value while it moves, statements can be copied.
(function () {
  const main = document.getElementById("main");
  const told = document.getElementById("told");
  let timer = null;
  let paused = false;
  let looks = 0;

  function tell(text) {
    if (told.textContent !== text) told.textContent = text;
  }

  // The answer is a page of ours: its parts take the place of those of the same id. Scripts in it never run.
  function take(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const next = page.getElementById("main");
    if (!next) return false;
    let changed = false;
    for (const old of main.querySelectorAll("[data-live][id]")) {
      const fresh = page.getElementById(old.id);
      if (!fresh || fresh.innerHTML === old.innerHTML || old.contains(document.activeElement)) continue;
      const open = [...old.querySelectorAll("details")].map((one) => one.open);
      old.replaceWith(document.adoptNode(fresh));
      fresh.querySelectorAll("details").forEach((one, at) => { one.open = one.open || Boolean(open[at]); });
      changed = true;
    }
    if (next.dataset.refresh) main.dataset.refresh = next.dataset.refresh;
    else delete main.dataset.refresh;
    offer();
    return changed;
  }

  async function look(address) {
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (answer.redirected && new URL(answer.url).pathname === "/login") {
        tell("You have been logged out.");
        return;
      }
      if (take(await answer.text())) tell("Updated.");
      wait();
    } catch {
      tell("IndexPilot does not answer.");
      timer = setTimeout(() => look(address), 10000);
    }
  }

  function wait() {
    clearTimeout(timer);
    const seconds = Number(main.dataset.refresh);
    if (seconds > 0 && ++looks === 3) pause();
    if (seconds > 0 && !paused && !document.hidden) timer = setTimeout(() => look(location.href), seconds * 1000);
  }

  // What moves by itself can be stopped (WCAG 2.2.2).
  function pause() {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet pause";
    button.textContent = "Pause updates";
    button.addEventListener("click", () => {
      paused = !paused;
      button.textContent = paused ? "Go on updating" : "Pause updates";
      wait();
    });
    main.prepend(button);
  }

  function offer() {
    if (!navigator.clipboard) return;
    for (const text of main.querySelectorAll("pre:not([data-copy])")) {
      text.dataset.copy = "";
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet copy";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(text.querySelector("code").textContent);
        button.textContent = "Copied";
        tell("Copied.");
      });
      text.before(button);
    }
  }

  function slide(range) {
    const words = [...document.getElementById(range.dataset.words).options].map((one) => one.label);
    const shown = document.getElementById(range.dataset.shows);
    range.addEventListener("input", () => {
      shown.textContent = words[range.value];
      range.setAttribute("aria-valuetext", words[range.value]);
    });
    range.addEventListener("change", () => {
      const address = new URL(range.form.action);
      address.search = new URLSearchParams(new FormData(range.form)).toString();
      history.replaceState(null, "", address);
      look(address.href);
    });
  }

  offer();
  document.querySelectorAll("input[type=range][data-words]").forEach(slide);
  document.addEventListener("visibilitychange", wait);
  wait();
})();
