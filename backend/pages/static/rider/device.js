// This phone's anonymous identity: asked for when it is first needed, kept on the phone, forgotten on request.

import { Api } from '../api.js';
import { forget, read, write } from '../storage.js';
import { currentLanguage } from '../words.js';

const KEY = 'vigie.rider.device';

export const api = new Api({ token: () => read(KEY)?.access_token ?? null });
const unnamed = new Api({ token: () => null });
let asking = null;

export function deviceToken() {
  return read(KEY)?.access_token ?? null;
}

// What this phone was given when it registered, for whoever writes a text in its name.
export function deviceIdentity() {
  return read(KEY);
}

// Resolves when this phone has a token; rejects when the server cannot be reached.
export function ensureDevice() {
  const known = read(KEY);
  if (known && Date.parse(known.expires_at) > Date.now()) return Promise.resolve();
  asking ??= unnamed.post('/v1/devices', { platform: 'web', locale: currentLanguage() })
    .then((device) => {
      write(KEY, device);
      forget('vigie.rider.pins'); // they were another identity's: this one has none to ask for
    })
    .finally(() => { asking = null; });
  return asking;
}

export function dropToken() {
  forget(KEY);
}

export async function forgetDevice() {
  try {
    if (deviceToken()) await api.delete('/v1/devices/me');
  } finally {
    forget(KEY);
    forget('vigie.rider.pins');
  }
}
