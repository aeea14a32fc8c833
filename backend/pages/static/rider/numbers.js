// Numbers to call without Vigie: from the server when it has answered once, else the country's own.

import { byId, el, refresh } from '../dom.js';
import { read, write } from '../storage.js';
import { t } from '../words.js';
import { KEY as TEXT_TO } from './by_text.js';
import { api } from './device.js';

const KEY = 'vigie.numbers';

export function emergencyNumbers() {
  const known = read(KEY);
  if (Array.isArray(known) && known.length) return known;
  return ['17', '112', '114'].map((number) => ({ number, label: t(`number.${number}`), kind: number === '114' ? 'sms' : 'call' }));
}

export async function refreshNumbers() {
  try {
    const meta = await api.get('/v1/meta');
    if (meta.emergency_numbers?.length) write(KEY, meta.emergency_numbers);
    write(TEXT_TO, meta.text_to ?? null);
  } catch {
    // The ones known before, or the country's own, stay on the page.
  }
  drawNumbers();
}

export function drawNumbers() {
  const numbers = emergencyNumbers();
  for (const id of ['home-numbers', 'case-numbers']) {
    refresh(byId(id), [document.documentElement.lang, numbers], () => numbers.map(({ number, label, kind }) => el('a', {
      class: 'button number', href: `${kind === 'sms' ? 'sms' : 'tel'}:${number}`,
    }, el('strong', {}, t(kind === 'sms' ? 'number.write' : 'number.call', { number })), el('span', {}, label))));
  }
}
