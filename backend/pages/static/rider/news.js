// One live link of this phone, shared by the alert and the night stop; none while there is nothing to follow.

import { Link } from '../live.js';
import { api, deviceToken } from './device.js';

const listeners = new Set();
let link = null;

// Asks at once for what has happened: a push has come, and the socket may be asleep.
export function wake() {
  void link?.catchUp({ quiet: true });
}

// `read()` fetches what is true now, `entry({type, data})` gets each piece of news, `state(kind)` the link's state.
export function listen(listener) {
  listeners.add(listener);
  const readAll = async () => {
    await Promise.all([...listeners].map((one) => one.read()));
    return 0;
  };
  if (!link) {
    link = new Link({
      api, namespace: '/rider', token: deviceToken, after: 0, onResync: readAll,
      onEntry: (entry) => { for (const one of [...listeners]) one.entry(entry); },
      onState: (state) => { for (const one of [...listeners]) one.state?.(state); },
    });
    void link.start();
  }
  listener.read().catch(() => { /* The feed brings the same news a moment later. */ });
  return () => {
    listeners.delete(listener);
    if (listeners.size) return;
    link.stop();
    link = null;
  };
}
