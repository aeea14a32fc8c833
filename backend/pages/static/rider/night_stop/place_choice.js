// The place on the line: which two stops, how many metres after the first; the same on a picture of the line.

import { el, refresh, setText, show } from '../../dom.js';
import { LineMap } from '../../line_map.js';
import { distance, t, word } from '../../words.js';
import { api } from '../device.js';
import { insteadWords } from './status.js';

const STEP_M = 20;
const SETTLE_MS = 250;
const RECHECK_MS = 5000;
const TIMERS_MIN = [10, 15, 20, 30, 45, 60];

export class PlaceChoice {
  constructor({ root, way, vehicle, wish, onAsk }) {
    Object.assign(this, { root, way, vehicle, wish, onAsk });
    const next = vehicle?.next_stops?.find((one) => Number.isFinite(one.measure_m));
    this.pieces = way.pieces(next ? next.measure_m : 0);
    if (!this.pieces.length) this.pieces = way.pieces();
    this.measure_m = middle(this.pieces[0]);
    this.build();
    this.choose(this.measure_m);
    // The bus goes on while she reads: what was possible may be too late now.
    this.again = setInterval(() => this.check(), RECHECK_MS);
  }

  stop() {
    clearInterval(this.again);
    clearTimeout(this.settling);
    this.stopped = true;
    this.root.replaceChildren();
  }

  build() {
    this.segment = el('select', { id: 'night-segment', on: { change: () => this.choose(middle(this.pieces[this.segment.selectedIndex])) } });
    this.range = el('input', { id: 'night-metres', type: 'range', step: 10, on: { input: () => this.choose(this.piece.after.measure_m + Number(this.range.value)) } });
    this.said = el('output', { class: 'night-place', for: 'night-segment night-metres' });
    const move = (by, label, sign) => el('button', { type: 'button', class: 'step', 'aria-label': t(label, { n: STEP_M }), on: { click: () => this.choose(this.measure_m + by) } }, sign);
    this.verdict = el('div', { class: 'verdict', role: 'status', data: { kind: 'asking' } });
    this.ramp = el('input', { type: 'checkbox', id: 'night-ramp', on: { change: () => this.check() } });
    this.timer = el('select', { id: 'night-home' });
    this.ask = el('button', { type: 'button', class: 'strong wide tall', on: { click: () => this.send() } });
    const mapBox = el('div', { class: 'night-map' });
    this.labels = { segment: el('label', { for: 'night-segment' }), metres: el('label', { for: 'night-metres', class: 'unseen-text' }), ramp: el('span'), home: el('label', { for: 'night-home' }) };
    this.root.replaceChildren(
      el('p', { class: 'field' }, this.labels.segment, this.segment),
      this.labels.metres, this.said, el('div', { class: 'night-slider' }, move(-STEP_M, 'night.back', '−'), this.range, move(STEP_M, 'night.forth', '+')),
      this.verdict,
      el('label', { class: 'check' }, this.ramp, ' ', this.labels.ramp),
      el('p', { class: 'field' }, this.labels.home, this.timer), this.ask, mapBox);
    this.map = new LineMap({ container: mapBox, labelled: t('night.map'), onPick: (point) => this.pick(point), height: 380 });
    this.map.setWay(this.way);
  }

  get piece() { return this.pieces[this.segment.selectedIndex] ?? this.pieces[0]; }

  draw() {
    const language = document.documentElement.lang;
    refresh(this.segment, language, () => this.pieces.map(({ after, before }, at) => el('option', { value: at, selected: at === this.at }, t('night.piece', {
      after: after.name, before: before.name, distance: distance(before.measure_m - after.measure_m) }))));
    this.segment.selectedIndex = this.at ?? 0;
    refresh(this.timer, language, () => [el('option', { value: '' }, t('night.no_timer')), ...TIMERS_MIN.map((n) => el('option', { value: n * 60, selected: String(n * 60) === this.timer.value }, t('night.timer', { n })))]);
    setText(this.labels.segment, t('night.segment'));
    setText(this.labels.metres, t('night.metres'));
    setText(this.labels.ramp, t('night.ramp'));
    setText(this.labels.home, t('night.home_timer'));
    setText(this.ask, t('night.ask'));
    setText(this.said, this.name());
    this.drawVerdict();
  }

  name(measure_m = this.measure_m) {
    const { after, metres } = this.way.placeAt(measure_m);
    return t('night.after', { stop: after.name, distance: distance(Math.max(10, metres)) });
  }

  pick(point) {
    const found = this.way.locate(point, this.measure_m);
    if (found) this.choose(found.measure_m);
  }

  // Takes what was offered instead; a regular stop needs no request.
  take(instead) {
    if (instead.kind === 'regular_stop') {
      this.answer = { regular: instead };
      this.drawVerdict();
      return;
    }
    this.choose(this.way.locate(instead, instead.measure_m ?? this.measure_m).measure_m, instead);
  }

  choose(measure_m, exact = null) {
    const first = this.pieces[0].after.measure_m;
    const last = this.pieces.at(-1).before.measure_m;
    this.measure_m = Math.max(first, Math.min(last, measure_m));
    this.at = Math.max(0, this.pieces.findLastIndex(({ after }) => after.measure_m <= this.measure_m));
    const piece = this.pieces[this.at];
    const wanted = exact ?? this.way.pointAt(this.measure_m);
    this.wanted = { latitude: wanted.latitude, longitude: wanted.longitude };
    Object.assign(this.range, { min: 0, max: Math.floor(piece.before.measure_m - piece.after.measure_m) });
    this.range.value = Math.round(this.measure_m - piece.after.measure_m);
    this.range.setAttribute('aria-valuetext', this.name());
    this.answer = null;
    this.draw();
    this.drawMap(piece);
    clearTimeout(this.settling);
    this.settling = setTimeout(() => void this.check(), SETTLE_MS);
  }

  drawMap(piece) {
    const layers = [{ kind: 'path', points: this.way.between(piece.after.measure_m, piece.before.measure_m), name: 'chosen' }];
    const next = this.vehicle?.next_stops?.[0];
    if (next && Number.isFinite(next.measure_m)) layers.push({ kind: 'path', points: this.way.between(0, next.measure_m), name: 'behind' });
    layers.push({ kind: 'dot', point: this.wanted, name: `wanted ${this.kind()}` });
    this.map.show(layers);
    if (this.focused !== this.at) {
      this.focused = this.at;
      this.map.focus(piece.after.measure_m, piece.before.measure_m);
    }
  }

  body() {
    return { ...this.wish(), wanted: this.wanted, ...(this.ramp.checked ? { ramp: true } : {}) };
  }

  async check() {
    if (this.stopped || this.root.hidden) return;
    const { wanted } = this;
    let answer;
    try {
      answer = await api.post('/v1/night-stops/check', this.body());
    } catch (problem) {
      answer = { unknown: true, detail: problem.isNetwork ? t('night.unchecked') : problem.detail };
    }
    if (this.stopped || wanted !== this.wanted || this.answer?.regular) return;
    this.answer = answer;
    this.drawVerdict();
    this.drawMap(this.pieces[this.at]);
  }

  kind() {
    const { answer } = this;
    if (!answer) return 'asking';
    if (answer.unknown || answer.regular) return 'open';
    return answer.possible ? 'possible' : 'impossible';
  }

  drawVerdict() {
    const { answer } = this;
    if (this.verdict.dataset.kind !== this.kind()) this.verdict.dataset.kind = this.kind();
    refresh(this.verdict, [document.documentElement.lang, answer], () => {
      if (!answer) return el('p', {}, t('night.checking'));
      if (answer.regular) return el('p', {}, t('night.regular', { stop: answer.regular.name }));
      if (answer.unknown) return el('p', {}, answer.detail);
      if (answer.possible) return [el('p', { class: 'verdict-said' }, t(answer.question === 'ramp' ? 'night.possible_ramp' : 'night.possible'))];
      return [
        el('p', { class: 'verdict-said' }, word('night_code', answer.code)),
        answer.question === 'vehicle' ? el('p', {}, t('night.ask_number')) : null,
        answer.instead?.length ? el('p', { class: 'quiet' }, t('night.instead')) : null,
        (answer.instead ?? []).map((one, at) => el('button', { type: 'button', class: 'wide', data: { focus: `instead-${at}` }, on: { click: () => this.take(one) } }, insteadWords(one, one.kind === 'regular_stop' ? one.name : this.name(one.measure_m)))),
      ];
    });
    // Without an answer the request may still go out: it waits on the phone and is checked when it arrives.
    this.ask.disabled = !answer || Boolean(answer.regular) || answer.possible === false;
    show(this.ask, !answer?.regular);
  }

  send() {
    const home = Number(this.timer.value);
    this.onAsk({ ...this.body(), ...(home ? { home_timer_s: home } : {}), observed_at: new Date().toISOString() }, this.name());
  }
}

function middle({ after, before }) {
  return (after.measure_m + before.measure_m) / 2;
}
