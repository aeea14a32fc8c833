// Night stops as the authority sets them, and what became of them: policies, suspensions, figures.

import { Api } from '../../api.js';
import { byId, setText, show } from '../../dom.js';
import { signIn, signOutHere, staffToken } from '../../signin.js';
import { startSwitches } from '../../theme.js';
import { loadWords, onLanguage } from '../../words.js';
import { Editor } from './editor.js';
import { Figures } from './figures.js';
import { Policies } from './policies.js';
import { Suspensions } from './suspensions.js';

const ROLES = ['operator', 'supervisor', 'admin'];
const api = new Api({ token: staffToken, onSignedOut: () => { signOutHere(); window.location.reload(); } });

export function notice(text) {
  setText(byId('notice-text'), text ?? '');
  show(byId('notice'), Boolean(text));
}

async function begin() {
  await loadWords();
  startSwitches();
  let staff = null;
  if (staffToken()) staff = await api.get('/v1/me').then((me) => me.staff, () => null);
  if (!ROLES.includes(staff?.role)) await signIn({ roles: ROLES });
  show(byId('signin'), false);
  show(byId('work'), true);
  byId('notice-close').addEventListener('click', () => notice(null));
  const { lines } = await api.get('/v1/network/lines').catch((problem) => { notice(problem.detail); return { lines: [] }; });
  const buses = lines.filter((one) => one.mode === 'bus').sort((a, b) => Number(b.night) - Number(a.night) || a.short_name.localeCompare(b.short_name, undefined, { numeric: true }));
  const names = new Map(lines.map((one) => [one.id, one.short_name]));
  const editor = new Editor({ api, buses, onSaved: () => void policies.read() });
  const policies = new Policies({ api, names, onEdit: (policy) => void editor.open(policy), onNotice: notice });
  const suspensions = new Suspensions({ api, buses, names, onNotice: notice });
  const figures = new Figures({ api, names, onNotice: notice });
  byId('policy-new').addEventListener('click', () => void editor.open(null));

  const part = () => {
    const shown = window.location.hash === '#figures' ? 'figures' : 'policies';
    for (const name of ['policies', 'figures']) {
      show(byId(`part-${name}`), name === shown);
      document.querySelector(`.tabs [href="#${name}"]`).setAttribute('aria-current', String(name === shown));
    }
    if (shown === 'figures') void figures.read();
  };
  window.addEventListener('hashchange', part);
  onLanguage(() => { policies.draw(); suspensions.draw(); figures.draw(); editor.redraw(); });
  part();
  await Promise.all([policies.read(), suspensions.read()]);
  byId('main').dataset.ready = 'true';
}

void begin();
