// "This phone": whether an alert would reach it, what to do when it would not, and the button that tries it.

import { Alarm } from '../alarm.js';
import { announce, byId, el, keyed, refresh, setText, show } from '../dom.js';
import { Push } from '../push/push.js';
import { staffToken } from '../signin.js';
import { read, write } from '../storage.js';
import { seconds, t, word } from '../words.js';
import { checksOf } from './checks.js';

const AGAIN_MS = 15 * 60_000;
const HEARD = 'vigie.sound.heard';

export class Phone {
  constructor({ api, positions, onProblem, onWake }) {
    Object.assign(this, { positions, onProblem });
    this.link = 'connecting';
    this.shift = null;
    this.alarm = new Alarm({ onState: () => this.draw() });
    // For as long as this tab lives, somebody has heard it: a reload asks no more.
    this.alarm.heardByPerson = read(HEARD, 'session') === true;
    this.push = new Push({ api, page: '/agent', worker: '/staff-worker.js', token: staffToken, onState: () => this.draw(), onWake });
  }

  start() {
    byId('phone-test').addEventListener('click', () => void this.test());
    // A phone that was reached this morning may lie in a cellar by now.
    setInterval(() => { if (this.shift && this.push.kind === 'on') void this.test(); }, AGAIN_MS);
    setInterval(() => this.draw(), 1000);
    void this.push.start();
  }

  setLink(kind) {
    if (this.link === kind) return;
    this.link = kind;
    this.draw();
  }

  // Clocking in sends a test by itself.
  setShift(shift) {
    if (shift && shift.id !== this.shift?.id && this.push.kind === 'on' && !this.push.measured(shift.started_at)) this.push.expect();
    this.shift = shift;
    this.draw();
  }

  async test() {
    const button = byId('phone-test');
    button.disabled = true;
    try {
      if (!await this.push.test()) this.onProblem(t('phone.none'));
    } catch (problem) {
      this.onProblem(problem.detail);
    } finally {
      button.disabled = false;
    }
  }

  tested(data, at) {
    this.push.tested(data, at);
    announce(t('phone.came_back', { time: seconds(data.round_trip_ms) }));
  }

  act(name) {
    if (name === 'push') void this.push.turnOn().then((on) => { if (on) void this.test(); });
    else if (name === 'test') void this.test();
    else if (name === 'sound') void this.alarm.arm();
    else if (name === 'heard') {
      write(HEARD, true, 'session');
      this.alarm.confirmHeard();
    }
  }

  draw() {
    const checks = checksOf({ shift: this.shift, link: this.link, push: this.push, sound: this.alarm.state, positions: this.positions });
    const wrong = checks.filter((one) => one.good === false).length;
    const box = byId('phone');
    box.dataset.ready = String(wrong === 0);
    setText(byId('phone-said'), this.shift ? (wrong ? t('phone.wrong', { n: wrong }) : t('phone.ready')) : t('phone.before'));
    const language = document.documentElement.lang;
    keyed(byId('checks'), checks, (one) => one.name, (one) => el('li', { id: `check-${one.name}` }), (row, one) => {
      row.dataset.good = String(one.good);
      refresh(row, [language, one], () => this.rowOf(one));
    });
    show(byId('phone-try'), this.push.channels.length > 0);
    const results = [...this.push.tests.values()];
    refresh(byId('phone-results'), [language, results, this.push.isTesting], () => results.map((one) => this.resultOf(one)));
  }

  rowOf({ name, good, said, todo, acts }) {
    return [
      el('p', { class: 'check-said' }, el('span', { class: 'unseen-text' }, t(good === null ? 'phone.check_neither' : good ? 'phone.check_good' : 'phone.check_bad')), ' ', said),
      todo ? el('p', { class: 'check-todo' }, todo) : null,
      acts.length ? el('p', { class: 'check-acts' }, acts.map((act) => el('button', {
        type: 'button', class: act === 'heard' || act === 'push' ? 'strong' : '', data: { focus: `${name}-${act}` }, on: { click: () => this.act(act) },
      }, t(`phone.do_${act}`)))) : null,
    ];
  }

  resultOf({ channel, ms }) {
    const said = ms !== null ? seconds(ms) : this.push.isTesting ? t('phone.waiting') : t('phone.silent');
    return el('li', { data: { good: String(ms !== null ? true : this.push.isTesting ? null : false) } }, word('channel', channel), ' ', el('strong', {}, said));
  }
}
