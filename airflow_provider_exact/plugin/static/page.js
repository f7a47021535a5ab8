"use strict";
// Airflow's own switch between light and dark; without one the browser's preference holds, by the stylesheet alone.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
} catch {
  // A browser that keeps nothing for this site has no switch either.
}
// What Exact sent along was for the server alone: keep it out of the history, once it is used up. Where the server could
// not use it, a person may still paste the address into the command.
if ("usedUp" in document.documentElement.dataset) {
  history.replaceState(null, "", location.pathname);
}
