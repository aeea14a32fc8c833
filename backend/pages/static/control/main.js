// The control room's page: signs somebody in, reads a snapshot, keeps it true, and lets them act.

import { Api } from '../api.js';
import { byId, setText, show } from '../dom.js';
import { Link } from '../live.js';
import { showLinkState } from '../link_state.js';
import { Places } from '../places.js';
import { signIn, signOut, signOutHere, staffToken } from '../signin.js';
import { startSwitches } from '../theme.js';
import { loadWords, onLanguage, t } from '../words.js';
import { Actions } from './actions.js';
import { AlarmPush } from './alarm_push.js';
import { Case } from './case.js';
import { Health } from './health.js';
import { startKeys } from './keys.js';
import { MapView } from './map_view.js';
import { NightLane } from './night_lane.js';
import { Queue } from './queue.js';
import { inOrder, isUnseen } from './ranking.js';
import { Sound } from './sound.js';
import { Store } from './store.js';
import { Teams } from './teams.js';

const ROLES = ['operator', 'supervisor', 'admin'];
const store = new Store();
const places = new Places();
const api = new Api({ token: staffToken, onSignedOut: (problem) => leave(problem.code) });
let leaving = false;
let alarmPush = null;
let link = null;

function leave(code) {
  if (leaving) return;
  leaving = true;
  signOutHere();
  try { sessionStorage.setItem('vigie.notice', code); } catch { /* The form then appears without a reason. */ }
  // This device must not go on answering for somebody who is gone.
  void Promise.resolve(alarmPush?.push.rest()).finally(() => window.location.reload());
}

function lastNotice() {
  try {
    const code = sessionStorage.getItem('vigie.notice');
    sessionStorage.removeItem('vigie.notice');
    return code ? t('signin.ended') : '';
  } catch {
    return '';
  }
}

async function whoIsHere(sound) {
  if (staffToken()) {
    try {
      const { staff } = await api.get('/v1/me');
      if (ROLES.includes(staff.role)) return staff;
    } catch (problem) {
      if (problem.status === 401) return new Promise(() => {});
    }
  }
  return signIn({ roles: ROLES, notice: lastNotice(), onGesture: () => void sound.test() });
}

function heard(entry) {
  if (entry.type === 'phone.tested') alarmPush.push.tested(entry.data, entry.at);
  else store.apply(entry);
}

async function begin() {
  await loadWords();
  startSwitches();
  const actions = new Actions({ api, store });
  const sound = new Sound({ store });
  const staff = await whoIsHere(sound);
  show(byId('signin'), false);
  show(byId('work'), true);
  show(byId('status-line'), true);
  sound.drawState(sound.alarm.state);
  setText(byId('who'), staff.display_name);
  byId('sign-out').addEventListener('click', () => void Promise.resolve(alarmPush.push.rest()).finally(() => signOut(api)));

  const open = (id) => {
    store.select(id);
    // On a narrow screen the case takes the place of the lists, and this is how one comes back to them.
    byId('main').dataset.open = 'true';
    if (window.matchMedia('(max-width: 1099px)').matches) window.scrollTo(0, 0);
  };
  byId('case-back').addEventListener('click', () => {
    byId('main').dataset.open = 'false';
    byId('queue-list').querySelector('[aria-current="true"]')?.focus();
  });
  const seen = (id) => {
    sound.heed(id);
    void actions.seen(id);
  };
  const queue = new Queue({ store, places, onOpen: open, onSeen: seen });
  const caseView = new Case({ api, store, places, actions, onOpen: open });
  const map = new MapView({ store, places, onOpen: open, onTeam: (id) => byId('team-list').querySelector(`[data-id="${CSS.escape(id)}"] button`)?.focus() });
  const teams = new Teams({ store, places, onShow: (id) => map.goToTeam(id) });
  const lane = new NightLane({ api, store, places });
  const health = new Health({ api, sound, onDeaf: (deaf) => teams.setDeaf(deaf) });
  alarmPush = new AlarmPush({ api, role: staff.role, onProblem: (text) => actions.notice(text), onWake: () => void link?.catchUp({ quiet: true }) });
  const resync = async () => store.load(await api.get('/v1/control/snapshot'));

  const seq = await untilItAnswers(resync);
  link = new Link({
    api, namespace: '/control', token: staffToken, after: seq,
    onEntry: heard, onResync: resync,
    onPositions: (positions) => store.move(positions), onStatus: (status) => health.heard(status), onEnded: leave,
    onState: (state) => { showLinkState(state); sound.linkLost(state.kind === 'stale'); },
  });
  void link.start();
  alarmPush.start();
  void health.ask();
  setInterval(() => { queue.tick(); teams.tick(); caseView.tick(); lane.tick(); health.tick(); }, 1000);
  onLanguage(() => { queue.render(); teams.render(); lane.render(); health.draw(); alarmPush.draw(); caseView.open(store.selected); });
  startKeys({
    s: () => { const alert = target(); if (alert) seen(alert.id); },
    k: () => { const alert = store.alerts.get(store.selected); if (alert) void actions.acknowledge(alert.id); },
    a: () => caseView.openPanel('assign'),
    c: () => caseView.openPanel('close'),
    m: () => byId('message-text')?.focus(),
    j: () => queue.step(1),
    ArrowDown: () => queue.step(1),
    ArrowUp: () => queue.step(-1),
    '/': () => byId('queue-search').focus(),
    '?': () => { byId('keys-help').open = !byId('keys-help').open; },
  });
  // The lists work before the network's shapes have arrived, and without them.
  try {
    await places.load(api);
  } catch {
    setText(byId('map-missing'), t('map.no_network'));
  }
  queue.render();
  teams.render();
  lane.render();
  caseView.draw();
  await map.start();
}

// S means the case in hand; when that one is seen already, the first unseen alert of the queue.
function target() {
  const selected = store.alerts.get(store.selected);
  if (selected && (isUnseen(selected) || selected.needs_human)) return selected;
  const first = inOrder(store.open()).find(isUnseen);
  if (first) store.select(first.id);
  return first ?? selected;
}

async function untilItAnswers(read) {
  for (;;) {
    try {
      return await read();
    } catch (problem) {
      setText(byId('queue-empty'), problem.detail ?? String(problem));
      show(byId('queue-empty'), true);
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

void begin();
