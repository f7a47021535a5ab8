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
// What Exact sent along was for the server alone: keep it out of the history.
if (location.pathname.endsWith("/callback") && location.search) {
  history.replaceState(null, "", location.pathname);
}
