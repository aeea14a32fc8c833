// Pushes to this browser: asked for by a tap, registered with the server after each sign-in, measured by tests.

import './kept.js';
import { now } from '../clock.js';
import { uuid7 } from '../ids.js';
import { read, write } from '../storage.js';
import { currentLanguage } from '../words.js';

const { vigieKept } = globalThis;
const PATIENCE_MS = 20_000;

export class Push {
  // `page` is the path of the page, which is also the scope of its service worker. `onState()` after every change,
  // `onWake()` when a push has come or a notification was tapped: the page then asks the feed.
  constructor({ api, page, worker, token, onState, onWake = () => {} }) {
    Object.assign(this, { api, page, worker, token, onState, onWake });
    this.kind = 'loading';
    this.isTesting = false;
    this.channels = [];
    this.items = [];
    this.tests = new Map();
    this.early = new Map();
    this.key = null;
  }

  static get isSupported() {
    return window.isSecureContext && 'serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window;
  }

  // An iPhone gives pushes to pages on its home screen only: in its browser there is nothing to turn on, but a way to it.
  static get needsHomeScreen() {
    return window.isSecureContext && !('PushManager' in window) && navigator.standalone === false;
  }

  // Whether somebody said yes on this browser; asked again for nothing, and forgotten only when she says no.
  get isWanted() { return read(`vigie.push.wanted${this.page}`) === true; }

  get id() {
    const known = read(`vigie.push.id${this.page}`);
    if (known) return known;
    return this.takeNewId();
  }

  get mine() { return this.items.find((one) => one.id === this.id && !one.disabled_why) ?? null; }

  // The round trip of this browser, {at, ms}, when one was measured since this instant; null without.
  measured(since = null) { return roundTrip(this.mine ? [this.mine] : [], since); }

  // The same for another phone or browser of this person.
  measuredElsewhere(since = null) { return roundTrip(this.items.filter((one) => one.id !== this.id), since); }

  async start() {
    if (Push.isSupported) {
      navigator.serviceWorker.addEventListener('message', ({ data }) => { if (data?.push) this.onWake(data.push); });
      try {
        this.service = await navigator.serviceWorker.register(this.worker, { scope: this.page });
        void this.clearScreen();
      } catch {
        this.service = null;
      }
    }
    await this.settle();
  }

  async settle() {
    await this.look();
    if (this.kind === 'unknown') setTimeout(() => void this.settle(), 5000);
    else if (this.isWanted && ['on', 'off'].includes(this.kind) && Notification.permission === 'granted') {
      // What is on may be of her last session, which has ended: nothing is sent for that.
      if (this.kind === 'off' || await this.keptToken() !== this.token()) await this.register();
    }
  }

  // What the server knows of this person's phones, and what may be done here.
  async look() {
    try {
      const { items, channels, vapid_public_key: key } = await this.api.get('/v1/push');
      Object.assign(this, { items, channels, key });
      this.tell(this.judge());
    } catch {
      this.tell(this.kind === 'loading' ? 'unknown' : this.kind);  // asked again by `settle`
    }
  }

  judge() {
    if (!this.key) return 'absent';
    if (Push.needsHomeScreen) return 'home_screen';
    if (!Push.isSupported || !this.service) return 'unsupported';
    if (Notification.permission === 'denied') return 'denied';
    return this.mine ? 'on' : 'off';
  }

  // Called while a tap is being handled: browsers ask for the permission only then.
  async turnOn() {
    if (Notification.permission === 'default') await Notification.requestPermission();
    if (Notification.permission !== 'granted') {
      this.tell(Notification.permission === 'denied' ? 'denied' : 'off');
      return false;
    }
    write(`vigie.push.wanted${this.page}`, true);
    return this.register();
  }

  async register() {
    try {
      const subscription = await this.subscribe();
      const body = { channel: 'webpush', address_kind: 'subscription', address: JSON.stringify(subscription), language: currentLanguage() };
      const stored = await this.api.put(`/v1/push/${this.id}`, body).catch((problem) => {
        // Somebody else used this browser with another address: under her id nothing is taken from her.
        if (problem.code !== 'key_reused') throw problem;
        return this.api.put(`/v1/push/${this.takeNewId()}`, body);
      });
      this.items = [stored, ...this.items.filter((one) => one.id !== stored.id)];
      await this.keep();
      this.tell('on');
      return true;
    } catch {
      this.tell('failed');
      return false;
    }
  }

  async subscribe() {
    const { pushManager } = await ready(this.service);
    const known = await pushManager.getSubscription();
    if (known && keyOf(known) === this.key) return known;
    // Made for another server's key: a push with ours would be refused.
    await known?.unsubscribe();
    return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: this.key });
  }

  // The worker answers for a closed page with this; it stays on the phone for as long as she is signed in, no longer.
  keep() {
    return vigieKept.write(this.page, {
      token: this.token(), registration_id: this.id, key: this.key, language: currentLanguage(), clock_ms: now() - Date.now(),
    });
  }

  // The token of whoever is signed in on this phone and wants pushes, also after her page was closed; null for nobody.
  async keptToken() {
    return (await vigieKept.read(this.page))?.token ?? null;
  }

  forgetKept() { return vigieKept.forget(this.page); }

  // Signed out: this browser is woken up no more. The next sign-in may take it up again without being asked.
  async rest() {
    await vigieKept.forget(this.page);
    // Somebody who signs out at once, or has this phone forgotten, does so before anything has started.
    this.service ??= await navigator.serviceWorker?.getRegistration(this.page).catch(() => null);
    // Outside the home screen an iPhone's worker has no pushManager: having a phone forgotten must not fail for that.
    const subscription = await this.service?.pushManager?.getSubscription().catch(() => null);
    await subscription?.unsubscribe().catch(() => false);
    await this.clearScreen();
    this.items = this.items.filter((one) => one.id !== this.id);
  }

  // She wants none any more.
  async turnOff() {
    write(`vigie.push.wanted${this.page}`, false);
    const { id } = this;
    await this.rest();
    try {
      if (this.token()) await this.api.delete(`/v1/push/${id}`);
    } catch {
      // The push service refuses this address from now on, and the server learns it there.
    }
    this.tell(this.judge());
  }

  // Each phone and browser of this person gets a message, and answers by `tested`; false when there is none.
  async test() {
    // The push may come back before the server's answer to this: its time must not be thrown away.
    this.early = new Map();
    const { tests } = await this.api.post('/v1/push/test');
    const ms = (id) => this.early.get(id) ?? null;
    this.tests = new Map(tests.map((one) => [one.registration_id, { channel: one.channel, ms: ms(one.registration_id) }]));
    if ([...this.tests.values()].some((one) => one.ms === null)) this.expect();
    else this.testsOver();
    return tests.length > 0;
  }

  // A test is on its way, whoever sent it: clocking in sends one by itself.
  expect() {
    this.isTesting = true;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.testsOver(), PATIENCE_MS);
    this.tell(this.kind);
  }

  testsOver() {
    clearTimeout(this.waiting);
    this.isTesting = false;
    this.tell(this.kind);
  }

  // The feed's `phone.tested`.
  tested({ registration_id: id, channel, round_trip_ms: ms }, at) {
    const known = this.items.find((one) => one.id === id);
    if (known) Object.assign(known, { reached_at: at, round_trip_ms: ms });
    else void this.look();
    this.early.set(id, ms);
    if (this.tests.has(id)) this.tests.set(id, { channel, ms });
    if ([...this.tests.values()].every((one) => one.ms !== null)) this.testsOver();
    else this.tell(this.kind);
  }

  // What the page shows itself now need not stay on the lock screen.
  async clearScreen() {
    const shown = await this.service?.getNotifications?.().catch(() => []);
    for (const one of shown ?? []) one.close();
  }

  takeNewId() {
    const id = uuid7();
    write(`vigie.push.id${this.page}`, id);
    return id;
  }

  tell(kind) {
    this.kind = kind;
    this.onState();
  }
}

function roundTrip(items, since) {
  const found = items.filter((one) => !one.disabled_why && one.reached_at && (!since || one.reached_at >= since))
    .sort((a, b) => (a.reached_at < b.reached_at ? 1 : -1));
  return found.length ? { at: found[0].reached_at, ms: found[0].round_trip_ms } : null;
}

// Resolves when the worker may subscribe; `navigator.serviceWorker.ready` would be another page's worker, or none.
function ready(service) {
  const worker = service.installing ?? service.waiting ?? service.active;
  if (service.active) return Promise.resolve(service);
  return new Promise((resolve) => {
    worker.addEventListener('statechange', () => { if (service.active) resolve(service); });
  });
}

function keyOf({ options }) {
  if (!options?.applicationServerKey) return null;
  return btoa(String.fromCharCode(...new Uint8Array(options.applicationServerKey))).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
