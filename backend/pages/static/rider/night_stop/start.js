// The door to night stops. Everything behind it is loaded when somebody opens it, or has asked for one already.

import { byId, show } from '../../dom.js';
import { read } from '../../storage.js';

export const KEY = 'vigie.rider.night_stop';
let page = null;

export function startNightStop() {
  // A link on a sticker in the bus: /rider#vehicle=4512. Cleared, so that a reload does not begin again.
  const vehicle = new URLSearchParams(window.location.hash.slice(1)).get('vehicle');
  if (vehicle) window.history.replaceState(null, '', window.location.pathname);
  byId('night-open').addEventListener('click', () => void open());
  if (vehicle) void open(vehicle);
  else if (read(KEY)) void open(null, false);
}

async function open(vehicle = null, asked = true) {
  byId('night-open').setAttribute('aria-expanded', 'true');
  show(byId('night-open'), false);
  show(byId('night-body'), true);
  byId('main').dataset.night = 'true';
  page ??= import('./page.js').then(({ NightStopPage }) => new NightStopPage({ onClose: close }));
  try {
    (await page).open({ vehicle, asked });
  } catch {
    page = null;
    close();
  }
}

function close() {
  show(byId('night-body'), false);
  show(byId('night-open'), true);
  byId('night-open').setAttribute('aria-expanded', 'false');
  byId('main').dataset.night = 'false';
}
