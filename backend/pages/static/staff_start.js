// How the pages of agents and drivers begin: words, somebody signed in, a first snapshot, a screen that stays on.

import { Api } from './api.js';
import { byId, show } from './dom.js';
import { keepStaffToken, signIn, signOut, staffToken } from './signin.js';
import { startSwitches } from './theme.js';
import { loadWords } from './words.js';

const AGAIN_MS = 2000;
const MOST_TRIES = 10;

// Resolves when somebody of this role is signed in and her page is shown. `onLeave()` runs before she is signed out.
// `kept` has the token of a page that was closed while somebody was signed in, where the phone has kept one.
export async function enter({ api, role, alarm, onLeave = async () => {}, kept = null }) {
  await loadWords();
  startSwitches();
  // The phone may have ended the page in her pocket, and an alert is open for 20 seconds: no time to type a password.
  const token = staffToken() ?? await kept?.token() ?? null;
  const staff = token ? await whoseIs(token) : null;
  if (staff?.role === role) keepStaffToken(token);
  else if (staff !== undefined) await kept?.forget();
  if (staff?.role !== role) await signIn({ roles: [role], onGesture: () => void alarm.arm() });
  show(byId('signin'), false);
  show(byId('work'), true);
  byId('sign-out').addEventListener('click', () => void onLeave().finally(() => signOut(api)));
  // After a reload the browser blocks sound until the first touch, whatever it is for.
  document.addEventListener('pointerdown', () => { if (alarm.state === 'off' || alarm.state === 'blocked') void alarm.arm(); }, { once: true });
}

// Whose token this is; null for nobody's any more. Asked for as long as an offer is open; undefined when no answer came.
async function whoseIs(token) {
  const asking = new Api({ token: () => token });
  for (let tries = 1; ; tries += 1) {
    try {
      return (await asking.get('/v1/me')).staff;
    } catch (problem) {
      if (problem.status === 401 || problem.status === 403) return null;
      if (tries === MOST_TRIES) return undefined;
      await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
    }
  }
}

// The first snapshot, asked for until the server answers; `onProblem` says meanwhile why there is none.
export async function untilItAnswers(read, onProblem) {
  for (;;) {
    try {
      return await read();
    } catch (problem) {
      onProblem(problem);
      await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
    }
  }
}

let awake = null;

export async function keepAwake(wanted) {
  try {
    if (wanted && !awake && !document.hidden) {
      awake = await navigator.wakeLock?.request('screen');
      awake?.addEventListener('release', () => { awake = null; });
    } else if (!wanted) await awake?.release();
  } catch {
    // The phone keeps its own rule about the screen; what must be heard rings all the same.
  }
}
