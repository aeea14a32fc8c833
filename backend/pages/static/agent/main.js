// The agent's page: on duty or not, offers to take, one intervention to carry out.

import { Api } from '../api.js';
import { announce, byId, keyed, refresh, setText, show } from '../dom.js';
import { Link } from '../live.js';
import { showLinkState } from '../link_state.js';
import { LiveMap, circle, point } from '../map.js';
import { Places } from '../places.js';
import { signOutHere, staffToken } from '../signin.js';
import { enter, keepAwake, untilItAnswers } from '../staff_start.js';
import { onLanguage, t } from '../words.js';
import { Answers } from './answers.js';
import { missionCard, offerCard } from './cards.js';
import { Phone } from './phone.js';
import { Positions } from '../positions.js';
import { AgentState } from './state.js';

const places = new Places();
const api = new Api({ token: staffToken, onSignedOut: leave });
const positions = new Positions({ api, onState: () => { phone.draw(); drawMap(); } });
const phone = new Phone({ api, positions, onProblem: (text) => notice({ text }), onWake: () => void link?.catchUp({ quiet: true }) });
const { alarm } = phone;
const state = new AgentState({ onChange: draw, onOffer: offered, onGone: gone, onShift: () => void readShift(), onUpdate: updated });
const answers = new Answers({ api, state, onNotice: notice });
const seenBy = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    target.isOnScreen = isIntersecting;
    tellSeen(target);
  }
}, { threshold: 0.5 });
let link = null;
let map = null;
let mapStarted = false;

// Signed out by the server: this phone must not go on answering for somebody who is gone.
function leave() {
  signOutHere();
  void phone.push.rest().finally(() => window.location.reload());
}

function offered(assignment, { isNew }) {
  void answers.tell('received', assignment.delivery_id);
  if (!isNew) return;
  announce(t('agent.offer_said'));
  window.scrollTo(0, 0);
}

// Seen means: on a lit screen, in view. A phone in a pocket has received the offer and seen nothing.
function tellSeen(card) {
  const assignment = state.assignments.get(card.dataset.id);
  if (assignment && card.isOnScreen && !document.hidden) void answers.tell('seen', assignment.delivery_id);
}

function updated(added) {
  announce(t('agent.updated_said'));
  // A new position alone comes every few seconds: it is shown, and does not shake the phone.
  if (added.some((name) => name !== 'position')) navigator.vibrate?.(150);
}

function gone({ reason, takenBy }) {
  if (reason === 'taken' && takenBy) notice({ text: t('agent.taken_by', { team: takenBy }) });
  else notice({ key: `agent.gone_${['taken', 'cancelled', 'closed', 'expired', 'operator'].includes(reason) ? reason : 'closed'}` });
}

function notice({ text = '', key = '' }) {
  const said = key ? t(key) : text;
  setText(byId('notice-text'), said);
  show(byId('notice'), Boolean(said));
}

function draw() {
  const { offers, missions, shift, team } = state;
  setText(byId('team'), team ? team.call_sign : t('agent.no_team'));
  const onDuty = Boolean(shift);
  byId('duty').setAttribute('aria-checked', String(onDuty));
  setText(byId('duty-text'), t(onDuty ? 'duty.on' : 'duty.off'));
  phone.setShift(shift);
  show(byId('idle'), onDuty && !offers.length && !missions.length);
  show(byId('off'), !onDuty);
  const language = document.documentElement.lang;
  drawCards(byId('offers'), offers, (one) => [language, one.alert, one.added, one.meet_at, one.answer_by, places.stops.size], (one) => offerCard(one, {
    places, onAccept: () => answers.answer(one, 'accept'), onDecline: (reason) => answers.answer(one, 'decline', { reason }),
  }));
  drawCards(byId('missions'), missions, (one) => [language, one.state, one.alert, one.added, one.meet_at, places.stops.size], (one) => missionCard(one, {
    places, onStep: (action) => answers.answer(one, action),
  }));
  if (offers.length) alarm.ring('offer', { vibrate: true });
  else alarm.silence();
  document.title = `${offers.length ? `(${offers.length}) ` : ''}${t('agent.title')} · Vigie`;
  if (onDuty || missions.length) positions.start();
  else positions.stop();
  void keepAwake(onDuty);
  drawMap();
}

function drawCards(parent, items, shown, build) {
  keyed(parent, items, (one) => one.id, () => {
    const holder = document.createElement('div');
    return holder;
  }, (holder, one) => refresh(holder, shown(one), () => {
    const card = build(one);
    if (holder.card) seenBy.unobserve(holder.card);
    holder.card = card;
    seenBy.observe(card);
    return card;
  }));
}

function drawMap() {
  const alert = state.missions[0]?.alert;
  show(byId('map-box'), Boolean(alert?.position));
  if (!alert?.position) return;
  if (!mapStarted) {
    mapStarted = true;
    map = new LiveMap({ container: byId('map'), places });
    void map.start({ labelled: t('map.label') }).then((drawn) => {
      if (drawn) drawMap();
      else byId('map-box').remove();
    });
  }
  if (!map?.map) return;
  map.show('alerts', [point(alert.position, { id: alert.id, icon: `alert-${alert.priority}-seen`, selected: true, order: 1 })]);
  map.show('accuracy', alert.position.accuracy_m ? [circle(alert.position, Math.min(alert.position.accuracy_m, 3000))] : []);
  map.show('teams', positions.last ? [point(positions.last, { id: 'me', label: state.team?.call_sign ?? '', busy: true, opacity: 1 })] : []);
  const view = `${alert.id}/${Boolean(positions.last)}`;
  if (map.fitted !== view) {
    map.fitted = view;
    map.fit([alert.position, positions.last].filter(Boolean));
  }
}

// The team's feed tells of every colleague's shift; only the server knows which one is this agent's.
async function readShift() {
  try {
    state.setShift((await api.get('/v1/me')).shift);
  } catch {
    // The next snapshot says it.
  }
}

async function switchDuty() {
  const button = byId('duty');
  if (button.disabled) return;
  button.disabled = true;
  // Decided once: the feed may say that the shift has ended before the answer does, and asking again would begin one.
  const ending = Boolean(state.shift);
  try {
    if (!ending) void alarm.arm();
    state.setShift(await api.post(ending ? '/v1/agent/shift/end' : '/v1/agent/shift'));
    notice({});
  } catch (problem) {
    notice({ text: problem.detail });
  } finally {
    button.disabled = false;
  }
}

function heard({ type, at, data }) {
  if (type === 'phone.tested') phone.tested(data, at);
  else state.apply({ type, data });
}

async function begin() {
  await enter({ api, role: 'agent', alarm, onLeave: () => phone.push.rest(), kept: { token: () => phone.push.keptToken(), forget: () => phone.push.forgetKept() } });
  byId('duty').addEventListener('click', () => void switchDuty());
  byId('notice-close').addEventListener('click', () => notice({}));
  phone.start();
  const resync = async () => state.load(await api.get('/v1/agent/snapshot'));
  const seq = await untilItAnswers(resync, (problem) => notice({ text: problem.detail }));
  notice({});
  link = new Link({
    api, namespace: '/agent', token: staffToken, after: seq, onResync: resync, onEnded: leave, onEntry: heard,
    onState: (kind) => { showLinkState(kind); phone.setLink(kind.kind); },
  });
  answers.link = link;
  positions.link = link;
  void link.start();
  setInterval(() => { for (const card of document.querySelectorAll('article')) card.tick?.(); }, 500);
  document.addEventListener('visibilitychange', () => {
    for (const card of document.querySelectorAll('.offer')) tellSeen(card);
    if (document.hidden) return;
    draw();
    void phone.push.clearScreen();
  });
  onLanguage(draw);
  await places.load(api).catch(() => { /* Names of stops are missing then; nothing else. */ });
  draw();
}

void begin();
