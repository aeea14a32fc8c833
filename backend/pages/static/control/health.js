// How well the system itself is: a line that is always there, and behind it what is wrong, since when, and what to do.
// The server sends `status` every few seconds. When it does not come, that is said here: silence is no good news.

import { secondsSince } from '../clock.js';
import { announce, byId, el, refresh, setText, show } from '../dom.js';
import { read, write } from '../storage.js';
import { ago, lapse, seconds, t, word } from '../words.js';

const SILENT_S = 5;
const ASK_AFTER_S = 4.5;
const HEEDED = 'vigie.control.heeded';
// Whose figure is a time; that of the others is a count.
const COUNTED = new Set(['channel_failing', 'address_deaths', 'quarantined']);

export class Health {
  constructor({ api, sound, onDeaf }) {
    Object.assign(this, { api, sound, onDeaf });
    this.status = null;
    this.heardAt = performance.now();
    this.heeded = new Set(read(HEEDED, 'session') ?? []);
    byId('health-heed').addEventListener('click', () => this.heed());
  }

  heard(status) {
    const before = this.fresh;
    this.status = status;
    this.heardAt = performance.now();
    if (this.fresh.some((one) => !before.some((known) => keyOf(known) === keyOf(one)))) announce(t('health.new_said'));
    this.onDeaf(status.deaf);
    this.draw();
  }

  // A finding that nobody here has read yet: the same one found again an hour later is new.
  get fresh() {
    return (this.status?.findings ?? []).filter((one) => !this.heeded.has(keyOf(one)));
  }

  heed() {
    // Only those that are still there are remembered: the list must not grow for ever.
    this.heeded = new Set(this.status?.findings.map(keyOf));
    write(HEEDED, [...this.heeded], 'session');
    this.draw();
    byId('health-summary').focus();
  }

  get silent_s() {
    return (performance.now() - this.heardAt) / 1000;
  }

  tick() {
    if (this.silent_s > ASK_AFTER_S) void this.ask();
    this.draw();
  }

  async ask() {
    if (this.asking) return;
    this.asking = true;
    try {
      this.heard(await this.api.get('/v1/control/status'));
    } catch {
      // Said by the line itself, which counts the seconds.
    } finally {
      this.asking = false;
    }
  }

  draw() {
    const { status, fresh } = this;
    const silent = this.silent_s > SILENT_S;
    const box = byId('health');
    box.dataset.state = silent ? 'silent' : !status ? 'waiting' : status.findings.length ? 'bad' : 'good';
    setText(byId('health-said'), this.saidOf(silent));
    const unreached = status?.deaf.length ?? 0;
    show(byId('health-deaf'), unreached > 0);
    setText(byId('health-deaf'), t('health.deaf', { n: unreached }));
    setText(byId('health-drill'), drillWords(status?.drill));
    show(byId('health-heed'), fresh.length > 0);
    this.sound.trouble(fresh.length > 0 || (silent && Boolean(status)), silent);
    if (!status) return;
    const language = document.documentElement.lang;
    refresh(byId('health-findings'), [language, status.findings.map((one) => [one, findingAge(one)])], () => findingsOf(status.findings));
    refresh(byId('health-deaf-list'), [language, status.deaf], () => deafOf(status.deaf));
    refresh(byId('health-channels'), [language, status.channels], () => channelsOf(status.channels));
  }

  saidOf(silent) {
    if (silent) return t('health.silent', { time: lapse(this.silent_s) });
    if (!this.status) return t('health.waiting');
    const [first, ...others] = this.status.findings;
    if (!first) return t('health.good');
    return others.length ? t('health.bad_more', { what: titleOf(first), n: others.length }) : titleOf(first);
  }
}

function keyOf({ code, subject, since }) {
  return `${code}|${subject}|${since}`;
}

function titleOf({ code, subject }) {
  const about = subject ? word(code === 'drill_failed' ? 'drill_step' : 'channel', subject) : '';
  return about ? t('health.about', { what: word('finding', code), subject: about }) : word('finding', code);
}

// Whole minutes once it is old: a line that changes each second cannot be read aloud.
function findingAge({ since }) {
  const age = secondsSince(since);
  return age < 60 ? ago(Math.floor(age / 5) * 5) : ago(age);
}

function findingsOf(findings) {
  if (!findings.length) return el('p', { class: 'quiet' }, t('health.nothing'));
  return el('ul', { class: 'plain' }, findings.map((one) => el('li', { class: 'finding' },
    el('p', {}, el('strong', {}, titleOf(one)), ' ', el('span', { class: 'quiet' }, [sinceWords(one), valueWords(one)].filter(Boolean).join(' · '))),
    el('p', {}, word('finding_todo', one.code)))));
}

function sinceWords(one) {
  return t('health.found', { when: findingAge(one) });
}

function valueWords({ code, value }) {
  if (value === null || value === undefined) return '';
  return COUNTED.has(code) ? t('health.count', { n: value }) : t('health.late', { time: lapse(value) });
}

function deafOf(deaf) {
  if (!deaf.length) return el('p', { class: 'quiet' }, t('health.all_reached'));
  return el('ul', { class: 'plain' }, deaf.map((one) => el('li', { class: 'finding' },
    el('p', {}, el('strong', {}, one.call_sign), ' ', el('bdi', {}, one.name), ' ', el('span', { class: 'tag' }, word('deaf', one.why))),
    el('p', {}, word('deaf_todo', one.why)))));
}

function channelsOf(channels) {
  return el('ul', { class: 'plain channel-list' }, channels.map(({ channel, state, sent, failed }) => el('li', { data: { state } },
    el('span', {}, word('channel', channel)), ' ', el('strong', {}, word('channel_state', state)),
    sent || failed ? el('span', { class: 'quiet' }, t('health.lately', { sent, failed })) : null)));
}

function drillWords(drill) {
  if (!drill || drill.ok === null || drill.age_s === null) return '';
  const when = ago(drill.age_s);
  return drill.ok ? t('health.drill_ok', { when, time: seconds(drill.took_ms ?? 0) }) : t('health.drill_bad', { when });
}
