"""Browsers that can be pushed to without the internet: only the browser maker's push service is replaced.

The subscription is real (a key on P-256), the server encrypts for it, `PushService` decrypts as the browser would, and
Chromium hands what came out to the page's own service worker.
"""

import json
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import CDPSession, Page

from tests.pages.conftest import Crowd, Visitor
from tests.providers import Pushed, PushService

# The browser's own subscribe() asks Google; kept, because a reload must find what was subscribed before.
SUBSCRIBE = """
{
  const KEPT = 'test.subscriptions';
  const all = () => JSON.parse(localStorage.getItem(KEPT) ?? '{}');
  const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0)).buffer;
  const scopes = new WeakMap();
  const owner = Object.getOwnPropertyDescriptor(ServiceWorkerRegistration.prototype, 'pushManager');
  Object.defineProperty(ServiceWorkerRegistration.prototype, 'pushManager', {
    get() { const found = owner.get.call(this); scopes.set(found, this.scope); return found; },
  });
  const made = (scope, { key, json }) => ({
    ...json, options: { applicationServerKey: bytes(key) }, toJSON: () => json,
    unsubscribe: async () => {
      const kept = all();
      delete kept[scope];
      localStorage.setItem(KEPT, JSON.stringify(kept));
      await window.vigieUnsubscribe(json);
      return true;
    },
  });
  PushManager.prototype.getSubscription = async function () {
    const scope = scopes.get(this);
    return all()[scope] ? made(scope, all()[scope]) : null;
  };
  PushManager.prototype.subscribe = async function ({ applicationServerKey: key, userVisibleOnly }) {
    if (!userVisibleOnly) throw new DOMException('pushes must be shown', 'NotAllowedError');
    const scope = scopes.get(this);
    const one = { key, json: await window.vigieSubscribe(key) };
    localStorage.setItem(KEPT, JSON.stringify({ ...all(), [scope]: one }));
    return made(scope, one);
  };
}
"""


def with_pushes(crowd: Crowd, service: PushService, window: str = "phone", **more: Any) -> Visitor:
    """Somebody whose browser takes pushes and shows notifications."""
    visitor: Visitor = getattr(crowd, window)(permissions=["geolocation", "notifications"], **more)
    visitor.context.expose_function("vigieSubscribe", service.subscribe)
    visitor.context.expose_function("vigieUnsubscribe", service.unsubscribe)
    visitor.context.add_init_script(SUBSCRIBE)
    return visitor


class Browser:
    """The push side of one browser window: takes over what the push service has for it, and shows what it shows."""

    def __init__(self, page: Page, path: str, service: PushService) -> None:
        self.page, self.path, self.service = page, path, service
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._registrations: dict[str, str] = {}
        self._session.on("ServiceWorker.workerRegistrationUpdated", self._registered)
        self._session.send("ServiceWorker.enable")
        self._taken = 0

    def arrives(self, count: int = 1) -> Sequence[Pushed]:
        """The next pushes for this browser, each handed to the page's service worker."""
        wanted = self._taken + count
        for _ in range(300):
            own = self._own()
            if len(own) >= wanted:
                break
            self.page.wait_for_timeout(50)
        found = own[self._taken : wanted]
        assert len(found) == count, f"{len(found)} of {count} pushes came"
        self._taken = wanted
        for one in found:
            self.deliver(one.payload)
        return found

    def _own(self) -> Sequence[Pushed]:
        kept = self.page.evaluate("JSON.parse(localStorage.getItem('test.subscriptions') ?? '{}')")
        names = [one["json"]["endpoint"].rpartition("/")[2] for scope, one in kept.items() if scope.endswith(self.path)]
        return [one for one in self.service.pushed if one.browser in names]

    def deliver(self, payload: dict[str, Any] | str) -> None:
        """Hands this to the service worker, as the browser does with a decrypted push."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        for _ in range(100):
            scopes = [number for number, scope in self._registrations.items() if scope.endswith(self.path)]
            if scopes:
                break
            self.page.wait_for_timeout(50)
        origin = self.page.url.split("/", 3)
        told = {"origin": "/".join(origin[:3]), "registrationId": scopes[-1], "data": text}
        self._session.send("ServiceWorker.deliverPushMessage", told)

    def notifications(self) -> list[dict[str, str]]:
        """What lies on the lock screen now."""
        shown: list[dict[str, str]] = self.page.evaluate(
            """async (path) => {
              const found = await navigator.serviceWorker.getRegistration(path);
              return (await found.getNotifications()).map(({ title, body, tag }) => ({ title, body, tag }));
            }""",
            self.path,
        )
        return shown

    def shows(self, tag: str) -> dict[str, str]:
        """The notification of this message, as soon as it is there."""
        for _ in range(100):
            for one in self.notifications():
                if one["tag"] == tag:
                    return one
            self.page.wait_for_timeout(50)
        raise AssertionError(f"no notification {tag} but {self.notifications()}")

    def taps(self, tag: str) -> list[str]:
        """Taps on a notification; says which page the worker opened, or `focus` for one that was open.

        Only a real finger may open a window, so what the worker asks the browser for is noted instead.
        """
        worker = next(one for one in self.page.context.service_workers if one.url.endswith("-worker.js"))
        asked: list[str] = worker.evaluate(
            """async (tag) => {
              const asked = [], waits = [];
              self.clients.openWindow = async (path) => { asked.push(path); return null; };
              WindowClient.prototype.focus = async function () { asked.push('focus'); return this; };
              const [notification] = await self.registration.getNotifications({ tag });
              const event = new NotificationEvent('notificationclick', { notification });
              event.waitUntil = (work) => waits.push(work);
              self.dispatchEvent(event);
              await Promise.all(waits);
              return asked;
            }""",
            tag,
        )
        return asked

    def kept(self) -> dict[str, Any] | None:
        """What the page has left for its service worker."""
        found: dict[str, Any] | None = self.page.evaluate("(path) => globalThis.vigieKept.read(path)", self.path)
        return found

    def _registered(self, event: dict[str, Any]) -> None:
        for one in event["registrations"]:
            if one["isDeleted"]:
                self._registrations.pop(one["registrationId"], None)
            else:
                self._registrations[one["registrationId"]] = one["scopeURL"]
