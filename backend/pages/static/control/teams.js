// The list of teams: who is on duty, where, how old that knowledge is. Nothing here is only on the map.

import { now } from '../clock.js';
import { byId, el, keyed, setText, show } from '../dom.js';
import { metresBetween } from '../places.js';
import { ago, distance, t, word } from '../words.js';

const FRESH_S = 60;

export class Teams {
  constructor({ store, places, onShow, onOpenAlert }) {
    Object.assign(this, { store, places, onShow, onOpenAlert });
    this.list = byId('team-list');
    this.deaf = new Map();
    store.onChange(({ kind }) => { if (['all', 'team', 'alert'].includes(kind)) this.later(); });
  }

  later() {
    this.pending ??= requestAnimationFrame(() => { this.pending = null; this.render(); });
  }

  // Whom an alert may not reach: the team's own row says it, not only the system's.
  setDeaf(deaf) {
    const worst = ['unreachable', 'no_push', 'push_untested'];
    const found = new Map();
    for (const { team_id: id, why } of [...deaf].sort((a, b) => worst.indexOf(b.why) - worst.indexOf(a.why))) found.set(id, why);
    const same = found.size === this.deaf.size && [...found].every(([id, why]) => this.deaf.get(id) === why);
    this.deaf = found;
    if (!same) this.later();
  }

  render() {
    const teams = [...this.store.teams.values()].sort(byDuty);
    const onDuty = teams.filter((team) => team.on_duty).length;
    setText(byId('team-count'), t('teams.count', { on: onDuty, all: teams.length }));
    keyed(this.list, teams, (team) => team.id, () => this.create(), (row, team) => this.update(row, team));
  }

  create() {
    const parts = { sign: el('span', { class: 'team-sign' }), state: el('span', { class: 'team-state' }), deaf: el('span', { class: 'mark', hidden: true }), where: el('span', { class: 'team-where' }) };
    const row = el('li', { class: 'team' }, el('button', {
      type: 'button', class: 'team-open', on: { click: () => this.onShow(row.dataset.id) },
    }, el('span', { class: 'team-dot', 'aria-hidden': 'true' }), parts.sign, parts.state, parts.deaf, parts.where));
    row.parts = parts;
    return row;
  }

  update(row, team) {
    row.dataset.id = team.id;
    const state = teamState(team, this.store);
    row.dataset.state = state;
    setText(row.parts.sign, team.call_sign);
    setText(row.parts.state, t(`team.${state}`));
    const why = team.on_duty ? this.deaf.get(team.id) : null;
    show(row.parts.deaf, Boolean(why));
    setText(row.parts.deaf, word('deaf', why));
    setText(row.parts.where, whereabouts(team, this.places));
  }

  tick() {
    for (const row of this.list.children) {
      const team = this.store.teams.get(row.dataset.id);
      if (team) setText(row.parts.where, whereabouts(team, this.places));
    }
  }
}

export function teamState(team, store) {
  if (!team.on_duty) return 'off_duty';
  return store.engagedOn(team.id) ? 'engaged' : 'free';
}

export function age_s(position) {
  return position ? Math.max(0, (now() - Date.parse(position.fix_at)) / 1000) : Infinity;
}

export function isFresh(position) {
  return age_s(position) <= FRESH_S;
}

// Near which stop, and how old that is: "Castellane, 4 min ago".
export function whereabouts(team, places) {
  if (!team.position) return team.on_duty ? t('team.no_position') : '';
  const stop = places.nearestStop(team.position);
  const when = ago(age_s(team.position));
  return stop ? t('team.near', { stop: stop.name, when }) : when;
}

// The teams for a case: free ones with a fresh position first, nearest first.
export function forAlert(alert, store) {
  return [...store.teams.values()].filter((team) => team.on_duty).map((team) => ({
    team,
    free: !store.engagedOn(team.id),
    fresh: isFresh(team.position),
    distance_m: alert.position && team.position ? metresBetween(alert.position, team.position) : null,
  })).sort((a, b) => Number(b.free) - Number(a.free) || Number(b.fresh) - Number(a.fresh)
    || (a.distance_m ?? Infinity) - (b.distance_m ?? Infinity) || (a.team.call_sign < b.team.call_sign ? -1 : 1));
}

export function distanceWords({ distance_m }) {
  return distance_m === null ? t('team.distance_unknown') : distance(distance_m);
}

function byDuty(a, b) {
  return Number(b.on_duty) - Number(a.on_duty) || (a.call_sign < b.call_sign ? -1 : 1);
}
