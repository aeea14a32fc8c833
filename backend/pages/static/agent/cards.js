// What an agent sees of an offer and of the intervention in hand.

import { placeNode, pointOf, reasonWords, title } from '../alert_words.js';
import { secondsSince, secondsUntil } from '../clock.js';
import { el, setText, typed } from '../dom.js';
import { distance, lapse, t, word } from '../words.js';

const REASONS = ['too_far', 'busy', 'other_incident', 'vehicle_problem', 'other'];
const NEXT = { accepted: 'en-route', en_route: 'on-scene', on_scene: 'clear' };

export function offerCard(assignment, { places, onAccept, onDecline }) {
  const { alert } = assignment;
  const left = el('p', { class: 'offer-left', 'aria-hidden': 'true' });
  const take = el('button', { type: 'button', class: 'strong huge take', data: { focus: 'take' } }, t('agent.take'));
  const reasons = el('div', { class: 'reasons', hidden: true, role: 'group', 'aria-label': t('agent.why_not') },
    el('p', {}, t('agent.why_not')),
    REASONS.map((code) => el('button', { type: 'button', class: 'huge', on: { click: () => onDecline(code) } }, word('decline_reason', code))));
  const cannot = el('button', {
    type: 'button', class: 'huge', 'aria-expanded': 'false', data: { focus: 'cannot' }, on: {
      click: () => {
        reasons.hidden = !reasons.hidden;
        cannot.setAttribute('aria-expanded', String(!reasons.hidden));
        if (!reasons.hidden) reasons.querySelector('button').focus();
      },
    },
  }, t('agent.cannot'));
  take.addEventListener('click', async () => {
    take.disabled = true;
    setText(take, t('agent.sending'));
    await onAccept();
    take.disabled = false;
    setText(take, t('agent.take'));
  });
  const card = el('article', { class: 'offer', data: { id: assignment.id }, 'aria-labelledby': `offer-${assignment.id}` },
    el('p', { class: 'offer-kind' }, t('agent.offer'), ' ', priorityMark(alert), alert.exercise ? el('span', { class: 'mark' }, t('mark.exercise')) : null),
    el('h2', { id: `offer-${assignment.id}` }, title(alert)),
    el('p', { class: 'offer-place' }, placeNode(alert, places)),
    newsLine(assignment), meetLine(assignment),
    el('p', { class: 'offer-distance' }, assignment.distance_m === null || assignment.distance_m === undefined ? '' : t('agent.away', { distance: distance(assignment.distance_m) })),
    contactLine(alert),
    assignment.reasons?.length ? el('p', { class: 'quiet' }, reasonWords(assignment.reasons).join(' · ')) : null,
    left, el('div', { class: 'answers' }, take, cannot), reasons);
  card.tick = () => {
    const seconds = secondsUntil(assignment.answer_by);
    setText(left, seconds > 0 ? t('agent.left', { s: Math.ceil(seconds) }) : t('agent.time_over'));
  };
  card.tick();
  return card;
}

export function missionCard(assignment, { places, onStep }) {
  const { alert } = assignment;
  const age = el('span', { class: 'quiet' });
  const step = NEXT[assignment.state];
  const button = el('button', { type: 'button', class: 'strong huge', data: { focus: 'step' } }, t(`agent.step_${step.replace('-', '_')}`));
  button.addEventListener('click', async () => {
    button.disabled = true;
    await onStep(step);
    button.disabled = false;
  });
  // A team that is already there may say so without having said that it left.
  const skip = assignment.state === 'accepted'
    ? el('button', { type: 'button', class: 'wide', on: { click: () => void onStep('on-scene') } }, t('agent.step_on_scene')) : null;
  const done = assignment.state === 'en_route'
    ? el('button', { type: 'button', class: 'wide', on: { click: () => void onStep('clear') } }, t('agent.step_clear')) : null;
  const card = el('article', { class: 'mission', data: { id: assignment.id }, 'aria-labelledby': `mission-${assignment.id}` },
    el('p', { class: 'offer-kind' }, el('span', { class: 'tag' }, word('assignment_state', assignment.state)), ' ', priorityMark(alert), alert.exercise ? el('span', { class: 'mark' }, t('mark.exercise')) : null, age),
    el('h2', { id: `mission-${assignment.id}`, tabindex: '-1' }, title(alert)),
    el('p', { class: 'offer-place' }, placeNode(alert, places)),
    newsLine(assignment), meetLine(assignment), contactLine(alert), callbackLine(alert),
    alert.description ? el('p', { class: 'said-box' }, typed(alert.description, { class: 'typed said' })) : null,
    alert.position ? el('p', { class: 'where' }, t('agent.position', { ...pointOf(alert.position), accuracy: alert.position.accuracy_m ? `± ${distance(alert.position.accuracy_m)}` : '' }),
      el('a', { class: 'button wide', href: geoLink(alert.position) }, t('agent.open_map'))) : el('p', { class: 'quiet' }, t('fact.no_position')),
    el('div', { class: 'answers' }, button, skip, done));
  card.tick = () => setText(age, ` ${lapse(secondsSince(alert.received_at))}`);
  card.tick();
  return card;
}

function priorityMark(alert) {
  return el('span', { class: 'tag' }, word('priority', String(alert.priority)));
}

function newsLine({ added }) {
  const told = (added ?? []).filter((name) => name !== 'position');
  return told.length ? el('p', { class: 'news', role: 'status' }, t('agent.updated', { what: told.map((name) => word('added', name)).join(', ') })) : null;
}

// Where the team can be before the vehicle that the alert comes from.
function meetLine({ meet_at: meet }) {
  return meet ? el('p', { class: 'meet' }, t('agent.meet', { stop: meet.name, time: lapse(meet.in_s) })) : null;
}

function contactLine(alert) {
  const parts = [];
  if (alert.reporter_role) parts.push(word('reporter_role', alert.reporter_role));
  if (alert.contact_mode) parts.push(word('contact_mode', alert.contact_mode));
  return parts.length ? el('p', { class: 'contact' }, parts.join(' · ')) : null;
}

// The number that a text came from: known to the team that has taken it, and to no other.
function callbackLine({ callback_number: number, contact_mode: mode }) {
  if (!number) return null;
  const link = el('a', { class: 'button wide', href: `tel:${number.replace(/[^+0-9]/g, '')}` }, t('agent.call_back'), ' ', el('bdi', { dir: 'ltr' }, number));
  return el('p', { class: 'where' }, mode === 'cannot_talk' ? t('agent.call_back_not') : t('agent.call_back_said'), link);
}

// Opens whatever map the phone has; the position goes to no server of ours or anybody's.
function geoLink({ latitude, longitude }) {
  return `geo:${latitude.toFixed(6)},${longitude.toFixed(6)}?q=${latitude.toFixed(6)},${longitude.toFixed(6)}`;
}
