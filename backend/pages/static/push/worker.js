// Pushes, in a service worker: one neutral notification for each message, `received` told at once, a tap opens the page.
// A push is a wake-up and says nothing: what has happened, the page asks for with its own sign-in.
/* global vigieKept */

const PAGE = new URL(self.registration.scope).pathname;
const TRIES_MS = [0, 800, 3000, 8000];
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
// Somebody must act on these: they stay on the screen until she does.
const CALLS = new Set(['offer', 'supervisor', 'trouble']);

self.addEventListener('push', (event) => event.waitUntil(arrived(event.data)));
self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(openPage());
});
self.addEventListener('pushsubscriptionchange', (event) => event.waitUntil(subscribeAgain(event)));

async function arrived(data) {
  const message = messageIn(data);
  if (!message) return;
  const kept = await vigieKept.read(PAGE);
  // Of a rider who wants none any more, nothing may light up; an agent's call is shown rather than lost.
  if (isOver(message, kept) || (!kept && PAGE === '/rider')) return;
  await Promise.all([notify(message, kept), tellReceived(message, kept), tellPages(message)]);
}

function messageIn(data) {
  try {
    const message = data.json();
    return ID.test(message.delivery_id) ? message : null;
  } catch {
    return null;
  }
}

// An offer that comes after its time would send a team to where nobody waits. By the server's clock: a phone whose
// own runs ahead would otherwise hear of nothing.
function isOver({ exp }, kept) {
  const until_s = Number(exp);
  return Number.isFinite(until_s) && until_s * 1000 < Date.now() + (kept?.clock_ms ?? 0);
}

async function notify({ delivery_id: id, kind, title, text }, kept) {
  if (!(await vigieKept.isFirst(id))) return;
  await self.registration.showNotification(title || 'Vigie', {
    body: text || '', tag: id, lang: kept?.language ?? '', requireInteraction: CALLS.has(kind), data: { kind },
  });
}

// Without a sign-in there is nobody to say it for; the server then goes on by other ways, as it should.
async function tellReceived({ delivery_id: id }, kept) {
  if (!kept?.token) return;
  for (const wait_ms of TRIES_MS) {
    await new Promise((resolve) => { setTimeout(resolve, wait_ms); });
    try {
      const answer = await ask('POST', `/v1/deliveries/${id}/received`, kept.token, {});
      if (answer.status === 401) await vigieKept.forget(PAGE);
      if (answer.ok || (answer.status < 500 && answer.status !== 429)) return;
    } catch {
      // No network at this moment: the push itself came by it, so another try is worth it.
    }
  }
}

async function tellPages({ kind }) {
  for (const page of await pages()) page.postMessage({ push: kind });
}

async function openPage() {
  const [page] = await pages();
  if (page) {
    page.postMessage({ push: 'opened' });
    await page.focus();
  } else await self.clients.openWindow(PAGE);
}

async function pages() {
  const windows = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return windows.filter(({ url }) => new URL(url).pathname === PAGE);
}

// The browser's push service has given it another address; without this the phone would be deaf until its page opens.
async function subscribeAgain({ newSubscription }) {
  const kept = await vigieKept.read(PAGE);
  if (!kept?.token) return;
  const subscription = newSubscription
    ?? await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: kept.key });
  await ask('PUT', `/v1/push/${kept.registration_id}`, kept.token, {
    channel: 'webpush', address_kind: 'subscription', address: JSON.stringify(subscription), language: kept.language,
  });
}

function ask(method, path, token, body) {
  return fetch(path, {
    method,
    cache: 'no-store',
    credentials: 'omit',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
}
