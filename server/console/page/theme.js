// Sets the chosen theme before the first paint; without a choice the system's is used. The only
// script that is no module, since modules run after the page was painted.
'use strict';
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem('cairn-theme');
  } catch {
    // Storage may be forbidden: the system's theme, then.
  }
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
