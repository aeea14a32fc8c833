// What the rider reads about her alert. Only what the server has stored, or that it has not arrived yet.

import { secondsUntil } from '../clock.js';
import { el } from '../dom.js';
import { t, timeOfDay, word } from '../words.js';

const OVER = new Set(['closed', 'cancelled', 'merged']);

export function isOver(alert) {
  return Boolean(alert) && OVER.has(alert.state);
}

export function isArmed(record) {
  if (!record) return false;
  if (!record.sent) return false;
  return record.alert.state === 'armed' && secondsUntil(record.alert.armed_until) > 0;
}

// The one sentence on top; its tone says whether this is certain (told), still open (waiting) or not sent (unsent).
export function headline(record) {
  const { alert } = record;
  if (!record.sent) return { tone: 'unsent', text: t('status.unsent'), more: t('status.unsent_more') };
  const said = (name, values = {}, tone = 'told') => ({ tone, text: t(`status.${name}`, values), more: t(`status.${name}_more`) });
  const team = alert.team?.call_sign ?? '';
  switch (alert.state) {
    case 'armed': return said('armed', {}, 'waiting');
    case 'cancelled': return said('cancelled');
    case 'closed': return said('closed', { time: timeOfDay(alert.closed_at) });
    case 'merged': return said('merged');
    case 'handed_over': return said('handed_over');
    case 'resolved': return said('resolved');
    default:
  }
  if (alert.cancel === 'requested' || alert.state === 'cancel_requested') return said('cancel_requested', {}, 'waiting');
  if (alert.team_state === 'on_scene') return said('on_scene', { team });
  if (alert.team_state === 'en_route') return said('en_route', { team });
  if (alert.team_state === 'assigned') return said('assigned', { team });
  if (alert.facts.some((fact) => fact.code === 'no_team_yet')) return said('no_team', {}, 'waiting');
  if (alert.acknowledged_at) return said('acknowledged', { time: timeOfDay(alert.acknowledged_at) }, 'waiting');
  if (alert.seen_at) return said('seen', { time: timeOfDay(alert.seen_at) }, 'waiting');
  return said('received', { time: timeOfDay(alert.received_at) }, 'waiting');
}

// Every stored fact with its time, oldest first.
export function factList(alert) {
  const facts = alert?.facts?.length ? alert.facts : bare(alert);
  return el('ol', { class: 'fact-list' }, facts.map(({ code, at }) => el('li', {},
    el('span', {}, word('rider_fact', code)), el('time', { datetime: at }, timeOfDay(at)))));
}

function bare(alert) {
  return [['received', alert?.received_at], ['seen', alert?.seen_at], ['acknowledged', alert?.acknowledged_at], ['closed', alert?.closed_at]]
    .filter(([, at]) => at).map(([code, at]) => ({ code, at }));
}
