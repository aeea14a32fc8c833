// The server's time as this page knows it: countdowns must not follow a phone whose clock is wrong.

let offset_ms = 0;
let best_trip_ms = Infinity;

export function syncClock(serverTime, sentAt = Date.now(), receivedAt = Date.now()) {
  const server = Date.parse(serverTime);
  if (Number.isNaN(server)) return;
  const trip = receivedAt - sentAt;
  if (trip > best_trip_ms * 2 + 50) return;
  best_trip_ms = Math.min(best_trip_ms, Math.max(trip, 1));
  offset_ms = server - (sentAt + trip / 2);
}

export function now() {
  return Date.now() + offset_ms;
}

export function secondsSince(iso) {
  return iso ? Math.max(0, (now() - Date.parse(iso)) / 1000) : 0;
}

export function secondsUntil(iso) {
  return iso ? (Date.parse(iso) - now()) / 1000 : 0;
}
