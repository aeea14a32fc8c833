// The two switches that every page carries: language, and day or night.

import { byId } from './dom.js';
import { onLanguage, switchLanguage, t } from './words.js';

export function startSwitches() {
  const theme = byId('switch-theme');
  const language = byId('switch-language');
  const name = () => {
    const night = document.documentElement.dataset.theme === 'night';
    theme.setAttribute('aria-label', t(night ? 'switch.to_day' : 'switch.to_night'));
    theme.setAttribute('aria-pressed', String(night));
  };
  theme?.addEventListener('click', () => {
    const next = document.documentElement.dataset.theme === 'night' ? 'day' : 'night';
    document.documentElement.dataset.theme = next;
    try { localStorage.setItem('vigie.theme', next); } catch { /* The choice lasts until the page closes. */ }
    document.dispatchEvent(new CustomEvent('vigie:theme'));
    name();
  });
  language?.addEventListener('click', () => { void switchLanguage(); });
  if (theme) {
    onLanguage(name);
    name();
  }
}
