// What an alert is called on a page: one sentence each for its kind, place, state and what must happen next.

import { typed } from './dom.js';
import { distance, t, word } from './words.js';

export function title(alert) {
  return alert.category ? word('category', alert.category) : t('alert.no_category');
}

// The place as parts: text of the network, and what the rider typed, which is shown as typed text.
export function placeParts(alert, places) {
  const place = alert.place ?? {};
  const parts = [];
  const line = place.line_name ?? places.lineName(place.line_id) ?? place.line_id;
  if (line) parts.push(t('place.line', { name: line }));
  if (place.vehicle_number) parts.push(t('place.vehicle', { number: place.vehicle_number }));
  if (place.carriage) parts.push(t('place.carriage', { name: place.carriage }));
  const station = place.stop_name ?? place.station ?? places.stopName(place.stop_id) ?? place.stop_id;
  if (station) parts.push(station);
  const { previous_stop: after, next_stop: before } = place.situation ?? {};
  if (!station && after && before) parts.push(t('fact.situation_between', { after: after.name ?? after, before: before.name ?? before }));
  else if (alert.position && !station) {
    const stop = places.nearestStop(alert.position);
    if (stop) parts.push(t('place.near', { name: stop.name, distance: distance(stop.distance_m) }));
    else parts.push(t('place.point', pointOf(alert.position)));
  }
  return parts.length ? parts : [t('place.unknown')];
}

export function placeNode(alert, places) {
  return placeParts(alert, places).flatMap((part, index) => (index ? [' · ', typed(part)] : [typed(part)]));
}

export function pointOf({ latitude, longitude }) {
  return { latitude: latitude.toFixed(5), longitude: longitude.toFixed(5) };
}

export function describe(alert, places) {
  const teams = (alert.assignments ?? []).map((one) => one.call_sign);
  return [title(alert), ...placeParts(alert, places), ...teams, alert.description ?? '', word('alert_state', alert.state)].join(' ');
}

const UNITS = { distance, closest_by_distance: distance, position_age: (seconds) => `${Math.round(seconds)} s` };

// Reasons arrive as {code, value}; a distance is said as one.
export function reasonWords(reasons) {
  return (reasons ?? []).map(({ code, value }) => {
    const said = word('reason', code);
    if (value === null || value === undefined || value === true) return said;
    const shown = UNITS[code]?.(Number(value)) ?? String(value);
    const own = word('reason_with', code);
    if (own.includes('{value}')) return own.replace('{value}', shown);
    return t('reason.with_value', { reason: said, value: shown });
  });
}

// A count of nought is a reason too: no team on duty means none at all.
export function shortfallWords(shortfall) {
  return Object.entries(shortfall ?? {}).map(([code, count]) => (count > 0
    ? t('shortfall.with_count', { reason: word('shortfall', code), count }) : word('shortfall', code)));
}
