// The rider's page: one button, then the truth about the alert, then whatever she wants to add.

import { secondsUntil } from '../clock.js';
import { announce, byId, refresh, setText, show } from '../dom.js';
import { messagesNodes } from './messages.js';
import { listen } from './news.js';
import { startNightStop } from './night_stop/start.js';
import { uuid7 } from '../ids.js';
import { startSwitches } from '../theme.js';
import { loadWords, onLanguage, t } from '../words.js';
import { drawText } from './by_text.js';
import { api } from './device.js';
import { Details } from './details.js';
import { HoldButton } from './hold.js';
import { drawNumbers, refreshNumbers } from './numbers.js';
import { Outbox } from './outbox.js';
import { hasPins, isQuiet, leaveNow, startExit, startPins, startQuiet } from './settings.js';
import { Sharing } from './sharing.js';
import { factList, headline, isArmed, isOver } from './status.js';

let leaveNews = null;
let said = '';
let notify = null;
const outbox = new Outbox({ onChange: () => draw(), onRefused: refused });
const sharing = new Sharing({ onPoint: (point) => outbox.addPoint(point), onState: () => drawSharing() });
const details = new Details({ onChoose: (choice) => { Object.assign(outbox.record.chosen, choice); outbox.add('details', choice); } });

function raise() {
  if (outbox.record && !isOver(outbox.record.alert)) return;
  stopFollowing();
  const body = { armed: true, observed_at: new Date().toISOString() };
  const position = sharing.position();
  if (position) body.position = position;
  details.reset();
  sharing.start();
  outbox.raise(body);
  setText(byId('hold-hint'), t('hold.hint'));
  byId('status-title').focus();
  window.scrollTo(0, 0);
}

// Follows the alert once the server has it: the socket, and the feed behind it.
function follow() {
  const { record } = outbox;
  if (leaveNews || !record?.sent || isOver(record.alert)) return;
  leaveNews = listen({
    read: async () => {
      outbox.apply(await api.get(`/v1/alerts/${record.id}`));
      outbox.applyMessages((await api.get(`/v1/alerts/${record.id}/messages`)).items);
    },
    entry: ({ type, data }) => {
      if (type === 'alert.changed' && data.alert) outbox.apply(data.alert);
      else if (type === 'message.added' && (data.alert_id ?? record.id) === record.id) heard(data.message ?? data);
    },
    state: (state) => drawLink(state),
  });
}

function stopFollowing() {
  leaveNews?.();
  leaveNews = null;
}

function heard(message) {
  const isNew = !outbox.record.messages.some((one) => one.id === message.id);
  outbox.applyMessages([message]);
  if (isNew && message.author !== 'rider') {
    announce(t('messages.new'));
    if (!isQuiet()) navigator.vibrate?.([80, 60, 80]);
  }
}

// Alerts of this phone that it has not raised itself.
async function lookForAlerts() {
  if (outbox.record && !isOver(outbox.record.alert)) return;
  try {
    const [alert] = (await api.get('/v1/alerts')).items;
    if (alert) outbox.adopt(alert);
  } catch {
    setTimeout(() => void lookForAlerts(), 3000);
  }
}

function refused(operation, problem) {
  if (operation.kind === 'cancel' && ['pin_wrong', 'pin_delayed'].includes(problem.code)) {
    show(byId('pin-ask'), true);
    setText(byId('cancel-message'), problem.detail);
    byId('cancel-pin').focus();
  } else if (operation.kind !== 'positions' && operation.kind !== 'promote') {
    setText(byId('refused'), problem.detail);
  }
}

function draw() {
  const { record } = outbox;
  show(byId('home'), !record);
  show(byId('case'), Boolean(record));
  show(byId('home-rest'), !record);
  drawNumbers();
  notify?.follow();
  if (!record) return;
  const over = isOver(record.alert);
  const top = headline(record);
  byId('status').dataset.tone = top.tone;
  setText(byId('status-title'), top.text);
  setText(byId('status-more'), top.more);
  if (said !== top.text) {
    said = top.text;
    announce(top.text);
    if (record.sent && top.tone === 'told' && !isQuiet()) navigator.vibrate?.(120);
  }
  refresh(byId('facts'), [document.documentElement.lang, record.alert?.facts, record.alert?.seen_at], () => (record.sent ? factList(record.alert) : []));
  const armed = isArmed(record);
  const canCancel = !over && !['resolved', 'handed_over'].includes(record.alert?.state) && (record.alert?.cancel ?? 'refused') === 'refused';
  show(byId('send-now'), armed);
  show(byId('cancel-box'), canCancel);
  byId('cancel-box').dataset.armed = String(armed || !record.sent);
  show(byId('pin-ask'), canCancel && hasPins());
  show(byId('describe'), !over);
  show(byId('talk'), record.sent);
  show(byId('done'), over);
  show(byId('case-numbers-box'), !over);
  byId('case-numbers-box').dataset.loud = String(!record.sent);
  const unsent = record.waiting.filter((one) => one.kind === 'message').map((one) => ({ id: one.key, author: 'rider', text: one.body.text, sent_at: null }));
  refresh(byId('messages'), [document.documentElement.lang, record.messages, unsent], () => messagesNodes([...record.messages, ...unsent]));
  setText(byId('waiting'), record.sent && record.waiting.some((one) => one.kind !== 'positions') ? t('status.more_waiting') : '');
  if (over) {
    sharing.stop();
    stopFollowing();
  } else {
    sharing.start();
    follow();
  }
  drawSharing();
  tick();
}

function drawSharing() {
  // "Shared" is a promise that the control room has it: only a stored position may say so.
  const kept = sharing.state === 'sharing' && !outbox.record?.placed ? 'unsent' : sharing.state;
  setText(byId('sharing'), kept === 'off' ? '' : t(`sharing.${kept}`));
}

function drawLink({ kind, age_s }) {
  const lost = kind === 'stale' && !isOver(outbox.record?.alert);
  show(byId('lost'), lost);
  if (lost) setText(byId('lost'), t('rider.lost', { s: Math.floor(age_s) }));
}

// Not on the first screen: an alert must not wait for it.
async function loadNotify() {
  try {
    notify ??= await import('./notify.js');
    return notify;
  } catch {
    return null;
  }
}

function tick() {
  const { record } = outbox;
  const armed = isArmed(record);
  show(byId('countdown'), armed);
  if (armed) setText(byId('countdown'), String(Math.max(0, Math.ceil(secondsUntil(record.alert.armed_until)))));
  void drawText(record);
  if (record?.sent && byId('send-now').hidden === armed) draw();
}

function bind() {
  const hold = byId('hold');
  new HoldButton({
    button: hold, confirm: byId('confirm'), isQuiet,
    onStart: () => sharing.start(),
    onSend: raise,
    onShort: () => { setText(byId('hold-hint'), t('hold.too_short')); sharing.stop(); },
    onConfirming: (asking) => { show(byId('confirm-box'), asking); if (!asking && !outbox.record) { sharing.stop(); hold.focus(); } },
  });
  byId('two-taps').addEventListener('click', () => { sharing.start(); show(byId('confirm-box'), true); byId('confirm').focus(); });
  byId('send-now').addEventListener('click', () => outbox.add('promote'));
  byId('cancel-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const pin = byId('pin-ask').hidden ? '' : byId('cancel-pin').value;
    if (!byId('pin-ask').hidden && !pin && outbox.record.sent) {
      setText(byId('cancel-message'), t('cancel.pin_needed'));
      byId('cancel-pin').focus();
      return;
    }
    byId('cancel-pin').value = '';
    setText(byId('cancel-message'), outbox.record.sent ? t('cancel.asking') : t('cancel.unsent'));
    outbox.cancel(pin);
  });
  byId('message-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = byId('message-text').value.trim();
    if (!text) return;
    outbox.add('message', { id: uuid7(), text });
    byId('message-text').value = '';
  });
  byId('done-button').addEventListener('click', () => { setText(byId('cancel-message'), ''); outbox.clear(); });
  byId('leave').addEventListener('click', leaveNow);
  document.addEventListener('vigie:alerts', () => void lookForAlerts());
}

async function begin() {
  await loadWords();
  startSwitches();
  startQuiet();
  startExit();
  startPins({ onForget: async () => (await loadNotify())?.forgetNotify() });
  bind();
  details.reset(outbox.record?.chosen);
  onLanguage(() => { details.draw(); draw(); drawSharing(); });
  draw();
  byId('main').dataset.ready = 'true';
  outbox.soon();
  startNightStop();
  void refreshNumbers();
  setInterval(tick, 250);
  void loadNotify().then((loaded) => loaded?.startNotify(outbox));
  if ('serviceWorker' in navigator && window.isSecureContext) {
    navigator.serviceWorker.register('/rider-worker.js', { scope: '/rider' }).catch(() => { /* The page works without it. */ });
  }
}

void begin();
