// One key for each thing that is urgent; all of them can be switched off, and none works while somebody types.

import { byId } from '../dom.js';
import { read, write } from '../storage.js';

const SETTING = 'vigie.keys';

export function startKeys(commands) {
  const box = byId('keys-on');
  box.checked = read(SETTING) ?? true;
  box.addEventListener('change', () => write(SETTING, box.checked));
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!box.checked || !(key in commands) || byId('work').hidden) return;
    event.preventDefault();
    commands[key]();
  });
  byId('queue-search').addEventListener('keydown', (event) => {
    if (event.key === 'Escape') event.target.blur();
  });
}

function isTyping(target) {
  return target.closest?.('input, textarea, select, [contenteditable]') !== null;
}
