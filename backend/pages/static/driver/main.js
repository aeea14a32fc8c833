// The driver's page: a vehicle taken out, its position, and the night stops asked of it.

import { Alarm } from '../alarm.js';
import { Api } from '../api.js';
import { announce, byId, el, keyed, refresh, setText, show } from '../dom.js';
import { Link } from '../live.js';
import { showLinkState } from '../link_state.js';
import { Positions } from '../positions.js';
import { signOutHere, staffToken } from '../signin.js';
import { enter, keepAwake, untilItAnswers } from '../staff_start.js';
import { onLanguage, t } from '../words.js';
import { DriverAnswers } from './answers.js';
import { oneLine, stopCard } from './card.js';
import { DriverState } from './state.js';

// Above this, a new text on the screen is a danger of its own: one line and the buttons, nothing else.
const FAST_MPS = 2;
const api = new Api({ token: staffToken, onSignedOut: leave });
const alarm = new Alarm({ onState: (state) => drawSound(state) });
const positions = new Positions({ api, path: '/v1/driver/positions', onState: drawPosition });
const state = new DriverState({ onChange: draw, onAsked: asked, onGone: gone });
const answers = new DriverAnswers({ api, state, onNotice: notice });
let link = null;

function leave() {
  signOutHere();
  window.location.reload();
}

function notice(text) {
  setText(byId('notice-text'), text);
  show(byId('notice'), Boolean(text));
}

function asked(stop, { isNew }) {
  void answers.received(stop.delivery_id);
  if (isNew) announce(oneLine(stop));
}

function gone({ reason }) {
  announce(t(['cancelled', 'expired', 'missed', 'alighted'].includes(reason) ? `driver.gone_${reason}` : 'driver.gone_cancelled'));
}

function draw() {
  const { vehicle, ordered } = state;
  setText(byId('vehicle'), vehicle ? t('driver.vehicle', { number: vehicle.number }) : '');
  show(byId('take-out'), !vehicle);
  show(byId('bring-back'), Boolean(vehicle));
  show(byId('idle'), Boolean(vehicle) && ordered.length === 0);
  const language = document.documentElement.lang;
  keyed(byId('stops'), ordered, (one) => one.id, () => el('div'), (holder, one) => {
    const isNext = one === ordered[0];
    refresh(holder, [language, one, isNext], () => {
      holder.card = stopCard(one, { isNext, onSay: (action, body) => answers.say(one, action, body) });
      return holder.card;
    });
  });
  ring();
  if (vehicle) positions.start();
  else positions.stop();
  void keepAwake(Boolean(vehicle));
}

// Rings while a stop waits for its answer; when the time is over the rider has been told to ask aloud.
function ring() {
  const waiting = state.ordered.some((one) => one.state === 'sent_to_driver' && Date.parse(one.answer_by) > Date.now() - 2000);
  if (waiting) alarm.ring('offer');
  else alarm.silence();
}

function drawSound(kind) {
  const good = kind === 'armed' || kind === 'untested';
  byId('check-sound').dataset.good = String(good);
  setText(byId('check-sound'), t(`check.sound_${good ? 'good' : 'bad'}`));
}

function drawPosition(kind) {
  const known = { fresh: 'good', denied: 'denied', missing: 'missing' }[kind] ?? 'bad';
  setText(byId('check-position'), kind === 'off' ? '' : t(`check.position_${known}`));
  byId('check-position').dataset.good = String(known === 'good');
  document.body.dataset.fast = String((positions.speed_mps ?? 0) > FAST_MPS);
}

async function fillLines() {
  const select = byId('vehicle-line');
  select.replaceChildren(el('option', { value: '' }, t('driver.no_line')));
  try {
    const { lines } = await api.get('/v1/network/lines');
    const buses = lines.filter((one) => one.mode === 'bus').sort((a, b) => Number(b.night) - Number(a.night) || a.short_name.localeCompare(b.short_name, undefined, { numeric: true }));
    select.append(...buses.map((one) => el('option', { value: one.id }, `${one.short_name} ${one.long_name}`)));
  } catch (problem) {
    setText(byId('take-out-message'), problem.detail);
  }
}

async function takeOut(event) {
  event.preventDefault();
  void alarm.arm();
  const number = byId('vehicle-number').value.trim();
  byId('vehicle-number').setAttribute('aria-invalid', String(!number));
  if (!number) {
    setText(byId('take-out-message'), t('driver.number_missing'));
    byId('vehicle-number').focus();
    return;
  }
  setText(byId('take-out-message'), '');
  try {
    const { vehicle } = await api.post('/v1/driver/shift', { vehicle_number: number, ...(byId('vehicle-line').value ? { line_id: byId('vehicle-line').value } : {}) });
    state.vehicle = vehicle;
    draw();
    // The snapshot has what was asked of this vehicle before the driver sat down.
    link.last = await readAll();
  } catch (problem) {
    setText(byId('take-out-message'), problem.detail);
  }
}

async function bringBack() {
  try {
    await api.post('/v1/driver/shift/end');
    await readAll();
  } catch (problem) {
    notice(problem.detail);
  }
}

async function readAll() {
  return state.load(await api.get('/v1/driver/snapshot'));
}

async function begin() {
  await enter({ api, role: 'driver', alarm });
  byId('take-out').addEventListener('submit', (event) => void takeOut(event));
  byId('bring-back').addEventListener('click', () => void bringBack());
  byId('notice-close').addEventListener('click', () => notice(''));
  byId('check-sound').addEventListener('click', () => void alarm.arm());
  alarm.tell();
  await fillLines();
  const seq = await untilItAnswers(readAll, (problem) => notice(problem.detail));
  notice('');
  link = new Link({
    api, namespace: '/driver', token: staffToken, after: seq, onResync: readAll, onEnded: leave,
    onEntry: (entry) => state.apply(entry), onState: (kind) => showLinkState(kind),
  });
  answers.link = link;
  positions.link = link;
  void link.start();
  setInterval(() => { for (const card of document.querySelectorAll('article')) card.tick?.(); ring(); }, 500);
  onLanguage(() => { draw(); alarm.tell(); drawPosition(positions.state); });
  draw();
}

void begin();
