// The facts of a case: what was said, where, how sure; and why this team, or why nobody.

import { placeNode, pointOf, reasonWords, shortfallWords } from '../alert_words.js';
import { el, typed } from '../dom.js';
import { distance, t, timeOfDay, word } from '../words.js';

export function factsOf(alert, places) {
  const facts = [
    [t('fact.place'), placeNode(alert, places)],
    [t('fact.position'), positionWords(alert.position)],
    [t('fact.reporter'), alert.reporter_role ? word('reporter_role', alert.reporter_role) : t('fact.not_said')],
    [t('fact.contact'), alert.contact_mode ? word('contact_mode', alert.contact_mode) : t('fact.not_said')],
    alert.description ? [t('fact.description'), [typed(alert.description, { class: 'typed said' })]] : null,
    [t('fact.priority'), `${word('priority', String(alert.priority))}${because(alert.priority_reasons)}`],
    [t('fact.received'), timeOfDay(alert.received_at)],
    alert.source && alert.source !== 'app' ? [t('fact.source'), word('source', alert.source)] : null,
    alert.callback_number ? [t('fact.callback'), callbackOf(alert.callback_number)] : null,
    alert.late ? [t('fact.late'), t('fact.late_said', { time: timeOfDay(alert.observed_at) })] : null,
    alert.seen_at ? [t('fact.seen'), byWhom(alert.seen_at, alert.seen_by)] : null,
    alert.acknowledged_at ? [t('fact.acknowledged'), byWhom(alert.acknowledged_at, alert.acknowledged_by)] : null,
    alert.suspect ? [t('fact.suspect'), t('fact.suspect_said')] : null,
    alert.warnings?.length ? [t('fact.warnings'), alert.warnings.map((one) => one.detail ?? word('warning', one.code)).join(' ')] : null,
    alert.closing_code ? [t('fact.closing'), word('closing_code', alert.closing_code)] : null,
  ].filter(Boolean);
  return el('dl', { class: 'facts' }, facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));
}

// A number is a hint and a help: who sent it, nobody can prove.
function callbackOf(number) {
  return [el('a', { class: 'button small', href: `tel:${number.replace(/[^+0-9]/g, '')}` }, el('bdi', { dir: 'ltr' }, number)), ' ', el('span', { class: 'quiet' }, t('fact.callback_said'))];
}

function because(reasons) {
  return reasons?.length ? ` (${reasons.map((code) => word('priority_reason', code)).join(', ')})` : '';
}

function byWhom(at, who) {
  const name = typeof who === 'object' && who ? who.name ?? who.display_name : who;
  return name ? [`${timeOfDay(at)}, `, typed(name)] : timeOfDay(at);
}

function positionWords(position) {
  if (!position) return t('fact.no_position');
  const { latitude, longitude } = pointOf(position);
  const sure = position.accuracy_m ? `, ± ${distance(position.accuracy_m)}` : '';
  return `${latitude}, ${longitude}${sure} (${timeOfDay(position.at)})`;
}

// One block per team: each fact with its time, the reasons it was chosen, and a way to withdraw it.
export function assignmentsOf(alert, { onWithdraw }) {
  const assignments = alert.assignments ?? [];
  const blocks = assignments.map((one) => el('li', { class: 'assignment', data: { state: one.state } },
    el('p', { class: 'assignment-head' },
      el('strong', {}, one.call_sign), ' ', el('span', { class: `tag ${one.state}` }, word('assignment_state', one.state)),
      one.distance_m === null || one.distance_m === undefined ? null : ` · ${distance(one.distance_m)}`),
    el('ul', { class: 'stamps' }, stampsOf(one).map(([name, at]) => el('li', {}, el('span', {}, name), ' ', at))),
    one.reasons?.length ? el('p', { class: 'why' }, el('b', {}, t('why.team')), ' ', reasonWords(one.reasons).join(' · ')) : null,
    ['offered', 'accepted', 'en_route', 'on_scene'].includes(one.state)
      ? el('button', { type: 'button', class: 'small', data: { focus: `withdraw-${one.id}` }, on: { click: () => onWithdraw(one) } },
        t('action.withdraw', { team: one.call_sign }))
      : null));
  const lacking = shortfallWords(alert.shortfall);
  return [
    blocks.length ? el('ul', { class: 'plain' }, blocks) : el('p', { class: 'quiet' }, t('case.no_team_yet')),
    lacking.length ? el('div', { class: 'why nobody' }, el('b', {}, t('why.nobody')), el('ul', {}, lacking.map((text) => el('li', {}, text)))) : null,
  ];
}

function stampsOf(one) {
  const stamps = [[t('stamp.offered'), timeOfDay(one.offered_at)]];
  stamps.push([t('stamp.received'), one.received_at ? timeOfDay(one.received_at) : t('stamp.not_yet')]);
  stamps.push([t('stamp.seen'), one.seen_at ? timeOfDay(one.seen_at) : t('stamp.not_yet')]);
  if (one.accepted_at) stamps.push([t('stamp.accepted'), timeOfDay(one.accepted_at)]);
  if (!['offered', 'accepted'].includes(one.state) && one.changed_at) stamps.push([word('assignment_state', one.state), timeOfDay(one.changed_at)]);
  if (one.decline_reason) stamps.push([t('stamp.why'), word('decline_reason', one.decline_reason)]);
  if (one.state === 'offered' && one.answer_by) stamps.push([t('stamp.answer_by'), timeOfDay(one.answer_by)]);
  return stamps;
}
