// Wakes the page of an agent or of the control room up; keeps no page and answers no request of it.
importScripts('{{ static }}/push/kept.js', '{{ static }}/push/worker.js');

self.addEventListener('install', () => { self.skipWaiting(); });
self.addEventListener('activate', (event) => { event.waitUntil(self.clients.claim()); });
