// Browser storage that never throws: a private window refuses it, and an alert must go out all the same.

const fallback = new Map();

function place(area) {
  try {
    return area === 'session' ? window.sessionStorage : window.localStorage;
  } catch {
    return null;
  }
}

export function read(key, area = 'local') {
  try {
    const text = place(area)?.getItem(key) ?? fallback.get(area + key) ?? null;
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

export function write(key, value, area = 'local') {
  const text = JSON.stringify(value);
  fallback.set(area + key, text);
  try {
    place(area)?.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}

export function forget(key, area = 'local') {
  fallback.delete(area + key);
  try {
    place(area)?.removeItem(key);
  } catch {
    // Nothing was stored there, so there is nothing to forget.
  }
}
