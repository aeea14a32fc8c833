// A notification when there is news, for riders who ask for it: neutral words, nothing of the alert. Never in silent
// mode and never for somebody who cannot talk: a phone that lights up may give her away.

import { byId, setText, show } from '../dom.js';
import { Push } from '../push/push.js';
import { onLanguage, t } from '../words.js';
import { deviceToken, ensureDevice, api } from './device.js';
import { wake } from './news.js';
import { isQuiet } from './settings.js';
import { isOver } from './status.js';

const push = new Push({ api, page: '/rider', worker: '/rider-worker.js', token: deviceToken, onState: () => draw(), onWake: wake });
const box = byId('notify-on');
let outbox = null;
let started = null;
let asking = false;

export function startNotify(ofPage) {
  outbox = ofPage;
  box.addEventListener('change', () => void (box.checked ? turnOn() : push.turnOff()));
  byId('quiet').addEventListener('change', () => follow());
  onLanguage(draw);
  // A phone that has never asked for anything has no name yet, and gets none just for this.
  if (deviceToken()) start();
  draw();
}

function start() {
  started ??= push.start();
  return started;
}

async function turnOn() {
  asking = true;
  draw();
  try {
    // First of all: browsers ask only while the tap is being handled.
    await Notification.requestPermission();
    await ensureDevice();
    await start();
    await push.look();
    await push.turnOn();
  } catch {
    push.tell('failed');
  } finally {
    asking = false;
    draw();
  }
}

// After each change of the alert: whoever cannot talk now wants no light on her screen.
export function follow() {
  const mode = outbox.record?.chosen.contact_mode;
  if (push.isWanted && (isQuiet() || mode === 'cannot_talk')) void push.turnOff();
  draw();
}

export function forgetNotify() {
  return push.turnOff();
}

function isAllowed() {
  const { record } = outbox;
  if (isQuiet()) return false;
  // Saying nothing counts as not being able to talk: the server sends no push then either.
  return !record || isOver(record.alert) || (record.chosen.contact_mode ?? record.alert?.contact_mode) === 'can_talk';
}

function draw() {
  if (!outbox) return;
  // What is on the home screen begins afresh: somebody sent there now would find nothing of her alert.
  const toHomeScreen = Push.needsHomeScreen && (!outbox.record || isOver(outbox.record.alert));
  show(byId('notify'), (Push.isSupported || toHomeScreen) && isAllowed() && push.kind !== 'absent');
  show(box, !toHomeScreen);
  if (!asking) box.checked = push.kind === 'on';
  box.disabled = asking || toHomeScreen;
  const said = asking ? 'asking' : toHomeScreen ? 'home_screen' : ['on', 'denied', 'failed', 'unsupported'].includes(push.kind) ? push.kind : 'said';
  setText(byId('notify-said'), t(`notify.${said}`));
}
