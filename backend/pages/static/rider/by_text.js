// The same alert as a text message, for where data does not pass: `sms.md` in the contract.

import { byId, setText, show } from '../dom.js';
import { read } from '../storage.js';
import { t } from '../words.js';
import { deviceIdentity } from './device.js';

export const KEY = 'vigie.text_to';
const PATIENCE_MS = 12_000;
const ATTEMPTS = 2;
const ROOM = 160;
const LETTERS = {
  sexual_contact: 'S', sexual_no_contact: 'H', sexist_insult: 'U', assault: 'A', threat: 'N', theft: 'T', medical: 'M',
  antisocial: 'I', suspicious_object: 'B', discrimination: 'R', other: 'O',
};
let drawn = '';

function isWanted(record) {
  if (!record || record.sent || !read(KEY)?.number) return false;
  return record.attempts >= ATTEMPTS || Date.now() - Date.parse(record.raised_at) >= PATIENCE_MS;
}

// Offers the text once the request has failed for a while; the request goes on trying, under the same id.
export async function drawText(record) {
  const wanted = isWanted(record);
  show(byId('by-text'), wanted);
  if (!wanted) return;
  const { number, name } = read(KEY);
  const key = JSON.stringify([document.documentElement.lang, number, record.id, record.chosen, record.point_seq, deviceIdentity()?.device_id]);
  if (key === drawn) return;
  drawn = key;
  setText(byId('by-text-link'), t('by_text.link', { number }));
  const body = await textOf(record, deviceIdentity(), name);
  if (key === drawn) byId('by-text-link').href = `sms:${number}?&body=${encodeURIComponent(body)}`;
}

async function textOf(record, device, name) {
  const { category, contact_mode: mode, reporter_role: role, description } = record.chosen;
  const parts = [`${name}=1`, `u=${shortId(record.id)}`];
  if (LETTERS[category]) parts.push(`c=${LETTERS[category]}`);
  parts.push(`m=${mode === 'can_talk' ? 'V' : 'S'}`);
  if (role === 'witness') parts.push('r=W');
  parts.push(...place(record));
  if (device?.sms_secret) {
    parts.push(`d=${shortId(device.device_id)}`);
    const signature = await signed(parts.join(';'), device.sms_secret);
    if (signature) parts.push(`k=${signature}`);
  }
  const text = parts.join(';');
  // One letter outside the phones' alphabet would leave room for 70 characters in all.
  const words = (description ?? '').normalize('NFD').replaceAll(/[^ -Z_a-z]/g, '').trim();
  return words ? `${text} ${words}`.slice(0, Math.max(ROOM, text.length)) : text;
}

function place(record) {
  const points = record.waiting.filter((one) => one.kind === 'positions').flatMap((one) => one.body.points);
  const point = points.at(-1) ?? record.body.position;
  if (!point) return [];
  const degrees = (value) => (value < 0 ? '' : '+') + value.toFixed(5);
  const found = [`lt=${degrees(point.latitude)}`, `lg=${degrees(point.longitude)}`];
  if (point.accuracy_m > 0) found.push(`rd=${Math.ceil(point.accuracy_m)}`, `lc=${point.accuracy_confidence ?? 95}`);
  return found;
}

function shortId(id) {
  return base64url(id.replaceAll('-', '').match(/../g).map((pair) => Number.parseInt(pair, 16)));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

// The first five bytes of HMAC-SHA-256 in base32; null where the browser does not sign, and the text goes without.
async function signed(text, secret) {
  if (!window.crypto?.subtle) return null;
  const key = Uint8Array.from(atob(secret.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
  const hmac = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const digest = new Uint8Array(await crypto.subtle.sign('HMAC', hmac, new TextEncoder().encode(text)));
  const bits = [...digest.slice(0, 5)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits.match(/.{5}/g).map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)]).join('');
}
