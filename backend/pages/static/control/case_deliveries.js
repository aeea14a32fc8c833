// How the alert travelled: each message as the facts that the server stored, with their times; red when one is overdue.

import { now, secondsSince } from '../clock.js';
import { el } from '../dom.js';
import { seconds, t, timeOfDay, word, wordIn } from '../words.js';

const SENT_WITHIN_S = 5;
const HEARD_WITHIN_S = 15;
// Ends that mean that nobody was reached.
const LOST = new Set(['no_receipt', 'gave_up', 'address_dead', 'quarantined', 'too_late']);

// What is shown, as plain data: drawn again when it changes, and it changes when a limit passes.
export function journeysOf(deliveries, assignments) {
  const again = new Map();
  for (const one of deliveries) if (one.about) again.set(one.about, [...(again.get(one.about) ?? []), one]);
  const known = new Set(deliveries.map((one) => one.id));
  return deliveries.filter((one) => !one.about || !known.has(one.about)).map((root) => {
    const others = again.get(root.id) ?? [];
    const accepted = (assignments ?? []).find((one) => one.call_sign === root.call_sign && one.accepted_at && one.accepted_at >= root.created_at);
    return { id: root.id, title: titleOf(root), facts: factsOf(root, others, accepted), ways: others.map((one) => ({ id: one.id, title: wayOf(one), facts: sentFacts(one, Boolean(root.received_at)) })) };
  });
}

// Whether more may still happen, so that it is worth asking again.
export function isTravelling(deliveries) {
  return deliveries.some((one) => !one.settled_at);
}

export function deliveriesOf(journeys) {
  if (!journeys.length) return el('p', { class: 'quiet' }, t('delivery.none'));
  return el('ul', { class: 'plain journeys' }, journeys.map(({ title, facts, ways }) => el('li', { class: 'journey' },
    el('p', { class: 'journey-title' }, title), stepsOf(facts),
    ways.map((way) => el('div', { class: 'way' }, el('p', {}, way.title), stepsOf(way.facts))))));
}

function stepsOf(facts) {
  return el('ol', { class: 'steps' }, facts.map(({ name, at, state, more }) => el('li', { data: { state } },
    el('span', {}, t(`delivery.${name}`)), ' ', at ? el('time', { datetime: at }, timeOfDay(at)) : el('span', {}, t(`delivery.${state}`)),
    more ? el('span', { class: 'quiet' }, ` ${more}`) : null)));
}

function titleOf({ kind, call_sign: team, name }) {
  return [word('delivery_kind', kind), team, name].filter(Boolean).join(' · ');
}

function wayOf({ channel, name }) {
  return [word('channel', channel), name].filter(Boolean).join(' · ');
}

function fact(name, at, state, more = '') {
  return { name, at, state: at ? 'done' : state, more };
}

// A message that waits for nothing any more misses nothing: only what is still wanted can be late.
function due(one, at, limit_s) {
  if (at) return 'done';
  if (one.settled_at) return LOST.has(one.settled_why) ? 'late' : 'needless';
  return secondsSince(one.created_at) > limit_s ? 'late' : 'waiting';
}

function factsOf(root, others, accepted) {
  if (root.channel !== 'socket') return [fact('stored', root.created_at, 'done'), ...sentFacts(root)];
  // A push that has gone is a way as well: the team is not unreached because its page is closed.
  const pushed = others.some((one) => one.sent_at);
  const emitted = due(root, root.emitted_at, SENT_WITHIN_S);
  return [
    fact('stored', root.created_at, 'done'),
    fact('emitted', root.emitted_at, emitted === 'late' && pushed ? 'needless' : emitted),
    fact('received', root.received_at, due(root, root.received_at, HEARD_WITHIN_S)),
    fact('seen', root.seen_at, due(root, root.seen_at, HEARD_WITHIN_S)),
    accepted ? fact('accepted', accepted.accepted_at, 'done') : null,
    endOf(root, accepted),
  ].filter(Boolean);
}

// `heard` says that the same message has reached a phone of the team already: nothing is missing on this way then.
function sentFacts(one, heardAlready = false) {
  const last = one.attempts.at(-1);
  const waits = one.due_at && Date.parse(one.due_at) > now();
  const tries = one.attempts.length > 1 ? t('delivery.tries', { n: one.attempts.length }) : '';
  const failed = last && last.outcome !== 'sent' ? t('delivery.refused', { why: last.code ?? last.outcome }) : '';
  const sent = one.sent_at ? fact('sent', one.sent_at, 'done', [t('delivery.took', { time: seconds(last?.took_ms ?? 0) }), tries].filter(Boolean).join(' · '))
    : fact('sent', null, waits ? 'planned' : due(one, null, SENT_WITHIN_S), [waits ? timeOfDay(one.due_at) : '', failed, tries].filter(Boolean).join(' · '));
  // A text message is not acknowledged by the phone: nothing is missing when no receipt comes.
  const heard = one.sent_at && one.channel !== 'sms' ? fact('received', one.received_at, heardAlready ? 'needless' : due(one, one.received_at, HEARD_WITHIN_S)) : null;
  return [sent, heard, one.seen_at ? fact('seen', one.seen_at, 'done') : null, endOf(one, null, heardAlready)].filter(Boolean);
}

// How it ended, where that says more than the facts before it.
function endOf(one, accepted = null, heardAlready = false) {
  if (!one.settled_at || accepted || ['received', 'accepted'].includes(one.settled_why)) return null;
  return { name: 'ended', at: one.settled_at, state: LOST.has(one.settled_why) && !heardAlready ? 'late' : 'done', more: wordIn(one.settled_why, 'settled') };
}
