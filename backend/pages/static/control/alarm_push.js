// For supervisors and administrators: a notification on this device when a team, or the control room, stays silent.

import { byId, el, refresh } from '../dom.js';
import { Push } from '../push/push.js';
import { staffToken } from '../signin.js';
import { seconds, t } from '../words.js';

const CALLED = new Set(['supervisor', 'admin']);

export class AlarmPush {
  constructor({ api, role, onProblem, onWake }) {
    this.isFor = CALLED.has(role);
    this.onProblem = onProblem;
    this.push = new Push({ api, page: '/control', worker: '/staff-worker.js', token: staffToken, onState: () => this.draw(), onWake });
  }

  start() {
    if (this.isFor) void this.push.start();
  }

  async act(name) {
    try {
      if (name === 'push' && !await this.push.turnOn()) return;
      if (name === 'push_off') await this.push.turnOff();
      else await this.push.test();
    } catch (problem) {
      this.onProblem(problem.detail);
    }
  }

  draw() {
    const { kind, isTesting, tests } = this.push;
    const measured = this.push.measured();
    refresh(byId('alarm-push'), [document.documentElement.lang, kind, isTesting, tests.size, measured?.ms], () => {
      if (!['on', 'off', 'denied', 'failed', 'home_screen', 'unsupported'].includes(kind)) return [];
      const button = (name) => el('button', { type: 'button', class: 'small', data: { focus: name }, on: { click: () => void this.act(name) } }, t(`alarm.${name}`));
      return [
        el('p', {}, t('alarm.push_said')),
        el('p', { role: 'status' }, el('strong', {}, this.said(kind, measured))),
        kind === 'on' ? [button('push_test'), ' ', button('push_off')] : ['off', 'failed'].includes(kind) ? button('push') : null,
      ];
    });
  }

  said(kind, measured) {
    if (kind === 'off') return '';
    if (kind !== 'on') return t(`alarm.push_${kind}`);
    if (this.push.isTesting) return t('alarm.push_testing');
    if (measured) return t('alarm.push_on_time', { time: seconds(measured.ms) });
    return t(this.push.tests.size ? 'alarm.push_silent' : 'alarm.push_on');
  }
}
