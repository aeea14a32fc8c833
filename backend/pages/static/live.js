// The live link: websocket first, the feed over HTTP as the truth behind it, and an honest state for the page.

import { syncClock } from './clock.js';

const PING_MS = 2000;
const STALE_MS = 4000;
const CHECK_MS = 15000;
const POLL_MS = 3000;
const SIGNALS = new Set(['welcome', 'positions', 'session.ended', 'server.leaving', 'status']);

export class Link {
  // `onEntry({seq, type, at, data})` gets every entry once and in order; `onResync()` must read a snapshot and
  // return its seq. `namespace` null means no websocket at all: the feed is then asked again and again.
  constructor({ api, namespace, token, after, onEntry, onResync, onPositions = () => {}, onStatus = () => {}, onEnded = () => {}, onState }) {
    Object.assign(this, { api, namespace, token, onEntry, onResync, onPositions, onStatus, onEnded, onState });
    this.last = after;
    this.heardAt = performance.now();
    this.connected = false;
    this.polled = false;
    this.waiting = [];
    this.timers = [];
  }

  async start() {
    this.timers.push(setInterval(() => this.tick(), 250));
    this.timers.push(setInterval(() => { if (this.connected) void this.catchUp({ quiet: true }); }, CHECK_MS));
    this.timers.push(setInterval(() => { if (!this.connected) void this.poll(); }, POLL_MS));
    this.onVisible = () => { if (!document.hidden) void this.catchUp({ quiet: true }); };
    document.addEventListener('visibilitychange', this.onVisible);
    window.addEventListener('online', this.onVisible);
    if (this.namespace) await this.open();
    else void this.poll();
  }

  stop() {
    this.ended = true;
    for (const timer of this.timers) clearInterval(timer);
    clearTimeout(this.reopening);
    document.removeEventListener('visibilitychange', this.onVisible);
    window.removeEventListener('online', this.onVisible);
    this.socket?.disconnect();
  }

  async open() {
    const vendor = document.documentElement.dataset.vendor;
    let library;
    try {
      library = await import(`/vendor/socket.io.esm.min.js?v=${vendor}`);
    } catch {
      this.reopening = setTimeout(() => void this.open(), 3000);
      return;
    }
    if (this.ended) return;
    const address = (document.documentElement.dataset.live || window.location.origin) + this.namespace;
    this.socket = library.io(address, {
      transports: ['websocket'],
      auth: (answer) => answer({ token: this.token() }),
      reconnectionDelay: 400,
      reconnectionDelayMax: 4000,
      timeout: 4000,
    });
    this.socket.on('connect', () => { this.heard(); });
    this.socket.on('disconnect', (reason) => {
      this.connected = false;
      this.tick();
      // The server closed it: the library then waits for us, for ever.
      if (reason === 'io server disconnect') this.reopenIn(1000 + Math.random() * 1000);
    });
    this.socket.on('connect_error', () => {
      this.connected = false;
      if (!this.socket.active) void this.askWhetherSignedIn();
    });
    this.socket.onAny((type, payload) => this.received(type, payload));
    this.timers.push(setInterval(() => this.ping(), PING_MS));
  }

  reopenIn(delay) {
    if (this.ended) return;
    clearTimeout(this.reopening);
    this.reopening = setTimeout(() => this.socket.connect(), delay);
  }

  async askWhetherSignedIn() {
    try {
      await this.api.get(`/v1/feed?after=${this.last}&limit=1`);
    } catch (problem) {
      if (problem.status === 401 || problem.status === 403) {
        this.onEnded(problem.code);
        return;
      }
    }
    this.reopenIn(2000 + Math.random() * 2000);
  }

  received(type, payload) {
    this.heard();
    if (type === 'welcome') {
      syncClock(payload.server_time);
      this.connected = true;
      void this.catchUp();
    } else if (type === 'positions') {
      this.onPositions(JSON.parse(payload));
    } else if (type === 'status') {
      this.onStatus(payload);
    } else if (type === 'session.ended') {
      this.onEnded(payload.code);
    } else if (type === 'server.leaving') {
      this.socket.disconnect();
      this.reopenIn(payload.retry_in_ms ?? 500);
    } else if (!SIGNALS.has(type)) {
      const { seq, at, ...data } = payload;
      this.take({ seq, type, at, data });
    }
  }

  take(entry) {
    // While the feed is being read, newer entries wait: taking them first would make the older ones look known.
    if (this.catching) this.waiting.push(entry);
    else this.apply(entry);
  }

  apply(entry) {
    if (entry.seq <= this.last) return;
    this.last = entry.seq;
    this.onEntry(entry);
  }

  async catchUp({ quiet = false } = {}) {
    if (this.catching || this.ended) return false;
    this.catching = true;
    this.quietly = quiet;
    this.tick();
    try {
      let more = true;
      while (more && !this.ended) {
        const page = await this.api.get(`/v1/feed?after=${this.last}&limit=500`);
        for (const entry of page.items) this.apply(entry);
        more = page.more && page.items.length > 0;
      }
      this.heard();
      return true;
    } catch (problem) {
      if (problem.code === 'cursor_invalid') return await this.resync();
      return false;
    } finally {
      this.catching = false;
      for (const entry of this.waiting.splice(0).sort((a, b) => a.seq - b.seq)) this.apply(entry);
      this.tick();
    }
  }

  async resync() {
    try {
      this.last = await this.onResync();
      return true;
    } catch {
      return false;
    }
  }

  async poll() {
    this.polled = await this.catchUp({ quiet: true });
    this.tick();
  }

  ping() {
    if (!this.socket?.connected) return;
    const sentAt = Date.now();
    this.socket.timeout(PING_MS * 2).emit('ping_app', {}, (failure, answer) => {
      if (failure) return;
      this.heard();
      if (answer?.server_time) syncClock(answer.server_time, sentAt, Date.now());
    });
  }

  // Sends an event and resolves with the server's answer; null when there is no live link to send it on.
  send(event, data) {
    if (!this.socket?.connected) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.socket.timeout(4000).emit(event, data, (failure, answer) => resolve(failure ? null : answer));
    });
  }

  heard() {
    this.heardAt = performance.now();
  }

  tick() {
    if (this.ended) return;
    const age_s = (performance.now() - this.heardAt) / 1000;
    let kind = 'live';
    if (age_s * 1000 > STALE_MS) kind = 'stale';
    else if (this.catching && !this.quietly) kind = 'catching_up';
    else if (!this.connected) kind = this.polled ? 'polling' : 'connecting';
    this.onState({ kind, age_s });
  }
}
