// Keeps the rider's page on the phone, so that it opens without a network. It never keeps anything of an alert.
importScripts('{{ static }}/push/kept.js', '{{ static }}/push/worker.js');

const FILES = '{{ static }}';
const CACHE = `rider-${FILES}`;
const SHELL = ['/rider', ...[
  'theme_first.js', 'styles.css', 'rider/rider.css', 'rider/main.js', 'words.js', 'words.fr.json', 'words.en.json', 'icon.svg',
  'rider/by_text.js', 'rider/device.js', 'rider/details.js', 'rider/hold.js', 'rider/messages.js', 'rider/numbers.js', 'rider/outbox.js',
  'rider/settings.js', 'rider/notify.js', 'push/push.js', 'push/kept.js', 'push/worker.js', 'rider/sharing.js', 'rider/status.js', 'rider/news.js',
  'rider/night_stop/start.js', 'rider/night_stop/page.js', 'rider/night_stop/request.js', 'rider/night_stop/picker.js',
  'rider/night_stop/place_choice.js', 'rider/night_stop/status.js', 'line_way.js', 'line_map.js', 'places.js', 'api.js', 'clock.js', 'dom.js', 'ids.js', 'live.js', 'storage.js', 'theme.js',
].map((name) => `${FILES}/${name}`)];

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter((name) => name.startsWith('rider-') && name !== CACHE).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const address = new URL(request.url);
  if (request.method !== 'GET' || address.origin !== self.location.origin) return;
  if (request.mode === 'navigate' && address.pathname === '/rider') event.respondWith(freshPage(request));
  else if (address.pathname.startsWith(`${FILES}/`)) event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
});

// The network's page when it comes in time, else the one on the phone: a tunnel must not leave a white screen.
async function freshPage(request) {
  const kept = await caches.match('/rider');
  if (!kept) return fetch(request);
  const late = new Promise((resolve) => { setTimeout(() => resolve(kept), 2500); });
  const fresh = fetch(request).then((answer) => (answer.ok ? answer : kept)).catch(() => kept);
  return Promise.race([fresh, late]);
}
