// Which alert comes first in the queue, and which one is danger that nobody has taken charge of.

const OVER = new Set(['closed', 'cancelled', 'merged']);
// Over for the streets, but somebody must still close it.
const SETTLED = new Set(['resolved', 'handed_over']);
export const CARED_FOR = new Set(['accepted', 'en_route', 'on_scene']);

export function isOpen(alert) {
  return !OVER.has(alert.state);
}

export function isUnseen(alert) {
  return isOpen(alert) && alert.state !== 'armed' && !alert.seen_at;
}

export function hasTeam(alert) {
  return (alert.assignments ?? []).some((one) => CARED_FOR.has(one.state));
}

// Red on this page means exactly this, and nothing else.
export function isDanger(alert) {
  if (!isOpen(alert) || alert.state === 'armed') return false;
  if (SETTLED.has(alert.state)) return alert.needs_human;
  return alert.needs_human || isUnseen(alert) || (!alert.acknowledged_at && !hasTeam(alert));
}

export function urgency(alert) {
  if (isDanger(alert)) return 'danger';
  return hasTeam(alert) || SETTLED.has(alert.state) ? 'calm' : 'seen';
}

export function rank(alert) {
  if (!isOpen(alert)) return 9;
  if (isUnseen(alert)) return 0;
  if (alert.needs_human) return 1;
  if (alert.cancel === 'requested') return 2;
  if (SETTLED.has(alert.state)) return 6;
  if (alert.state === 'armed') return 5;
  return hasTeam(alert) ? 4 : 3;
}

export function inOrder(alerts) {
  return [...alerts].sort((a, b) => rank(a) - rank(b)
    || a.priority - b.priority
    || (a.received_at < b.received_at ? -1 : a.received_at > b.received_at ? 1 : a.id < b.id ? -1 : 1));
}

// What the search box finds: words of the category, the place, the team, the rider's text or the beginning of the id.
export function matches(alert, needle, describe) {
  if (!needle) return true;
  return describe(alert).toLowerCase().includes(needle) || alert.id.startsWith(needle);
}
