// Runs before anything is drawn, so that a dark control room never sees a white flash.
(function () {
  var saved = null;
  try { saved = localStorage.getItem('vigie.theme'); } catch (refused) { saved = null; }
  var night = window.matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = saved || document.documentElement.dataset.first || (night ? 'night' : 'day');
})();
