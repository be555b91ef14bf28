// Keeps an open page true: when the control plane says that something has changed, the part that shows it is fetched anew and put in
// place. The page is whole without this: it is only not live.
"use strict";

(() => {
  const connection = document.getElementById("connection");
  const live = () => document.getElementById("live");
  let source = null;
  let fetching = false;
  let again = false;
  let skew = Date.now() - Date.parse(live().dataset.now);

  const say = (text, lost) => {
    if (connection.textContent !== text) connection.textContent = text;
    connection.classList.toggle("lost", lost);
    connection.hidden = false;
  };

  // The words of `kubelb-xds status` (xds/app/inspect/moments.py).
  const length = (milliseconds) => {
    if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`;
    const seconds = milliseconds / 1000;
    const [unit, size] = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]].find(([, each]) => seconds >= each);
    return `${Math.floor(seconds / size)} ${unit}`;
  };

  const age = () => {
    const now = Date.now() - skew;
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const text = `${length(now - Date.parse(time.dateTime))} ago`;
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // What somebody is marking, to copy it, stays until it is marked no more.
  const isMarking = () => {
    const selection = document.getSelection();
    return selection !== null && !selection.isCollapsed && live().contains(selection.anchorNode);
  };

  const refresh = async () => {
    if (fetching || isMarking()) {
      again = true;
      return;
    }
    fetching = true;
    again = false;
    try {
      const response = await fetch(location.href, { cache: "no-store", credentials: "omit" });
      const found = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("live");
      if (found !== null && !isMarking()) {
        const focused = live().contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        live().replaceWith(document.adoptNode(found));
        skew = Date.now() - Date.parse(live().dataset.now);
        if (focused !== null) live().querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
      } else {
        again = found !== null;
      }
    } catch {
      again = true; // nobody answers; once somebody does, the source says so
    } finally {
      fetching = false;
    }
  };

  const open = () => {
    if (source !== null || document.hidden) return;
    source = new EventSource(`/changes?after=${live().dataset.revision}`);
    source.onopen = () => say("● live", false);
    source.onmessage = refresh;
    source.onerror = () => {
      say("✗ not live: the control plane does not answer", true);
      // A browser gives up by itself on an answer that is none.
      if (source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(open, 5000);
      }
    };
  };

  // A page that nobody sees asks for nothing: a browser has only so many connections for all its tabs.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return open();
    source?.close();
    source = null;
  });
  window.addEventListener("pagehide", () => source?.close());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  setInterval(() => {
    age();
    if (again && source !== null && source.readyState === EventSource.OPEN) refresh();
  }, 1000);
  open();
})();
