// What a service worker must know while its page is closed. Also loaded by the page, which alone writes here:
// while somebody is signed in and wants pushes, and removed when she signs out.

globalThis.vigieKept = (() => {
  const DAY_MS = 86_400_000;
  let opened = null;

  function open() {
    opened ??= new Promise((resolve, reject) => {
      const asked = indexedDB.open('vigie.push', 1);
      asked.onupgradeneeded = () => {
        asked.result.createObjectStore('kept');
        asked.result.createObjectStore('shown');
      };
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
    return opened;
  }

  // Resolves with the answer of one request; rejects when a private window, or a full phone, allows none.
  async function ask(store, mode, request) {
    const database = await open();
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(store, mode);
      const asked = request(transaction.objectStore(store));
      transaction.oncomplete = () => resolve(asked?.result ?? null);
      transaction.onabort = () => reject(transaction.error);
    });
  }

  return {
    // {token, registration_id, key, language, clock_ms} of one page, named by its path; null without one.
    read: (page) => ask('kept', 'readonly', (store) => store.get(page)).catch(() => null),
    write: (page, kept) => ask('kept', 'readwrite', (store) => store.put(kept, page)).then(() => true, () => false),
    forget: (page) => ask('kept', 'readwrite', (store) => store.delete(page)).then(() => true, () => false),

    // True once for each message: two copies that come at the same moment are told apart by the database.
    async isFirst(id) {
      const now = Date.now();
      try {
        await ask('shown', 'readwrite', (store) => store.add(now, id));
      } catch (failure) {
        return failure?.name !== 'ConstraintError';
      }
      await ask('shown', 'readwrite', (store) => {
        const walk = store.openCursor();
        walk.onsuccess = () => {
          if (!walk.result) return;
          if (walk.result.value < now - DAY_MS) walk.result.delete();
          walk.result.continue();
        };
        return null;
      }).catch(() => null);
      return true;
    },
  };
})();
