"""Push by Firebase Cloud Messaging through PyFCM, which is tamed here; nothing else imports it.

As it comes, PyFCM sleeps for minutes inside a call, sends again when told to wait, makes a token and a connection for
each thread, and calls a wrong project an unregistered phone.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import google.auth.exceptions
from google.auth import transport
from google.auth.credentials import TokenState
from google.oauth2 import service_account
from pyfcm import FCMNotification

from backend.delivery import payloads
from backend.delivery.channels import GiveUp, Message, Outcome, RetryAt
from backend.delivery.fcm_answers import outcome_of
from backend.delivery.outgoing import Deadline, Line, NotAnswered, retry_after_s
from backend.settings import Settings, SettingsRefused

ASK_AGAIN_S = 10.0
"""How long a token endpoint that failed is left alone, while the present token still works."""
_SCOPES = ["https://www.googleapis.com/auth/firebase.messaging"]


class Fcm:
    """The channel `fcm`."""

    name = "fcm"
    address_kinds: tuple[str, ...] = ("fcm_token", "fcm_fid")

    def __init__(self, settings: Settings) -> None:
        """Refuses, in one line, credentials that cannot be used."""
        self._timeout_s = settings.provider_timeout_s
        self._pyfcm = _Tamed(_credentials(settings.fcm_credentials), settings.fcm_url)

    def send(self, message: Message, now: datetime) -> Outcome:
        """Hands the message to Google; what it answers, or does not, is an outcome."""
        deadline = Deadline.after(self._timeout_s)
        payload = self._pyfcm.json_dumps({"message": payloads.fcm(message, now), "validate_only": False})
        try:
            return self._pyfcm.deliver(payload, deadline, now)
        except NotAnswered as failure:
            return RetryAt(failure.code)
        except _TokenRefused as refused:
            return refused.outcome


class _TokenRefused(Exception):
    """Google gave no access token; that says nothing about any phone."""

    def __init__(self, outcome: RetryAt | GiveUp) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class _Tamed(FCMNotification):  # type: ignore[misc]
    """PyFCM with one session and one token for all threads, no sleep, no recursion, and the whole answer kept."""

    def __init__(self, credentials: service_account.Credentials, url: str) -> None:
        super().__init__(credentials=credentials)
        if url:
            self.FCM_END_POINT_BASE = url.rstrip("/")
        self._line = Line()
        self._tokens = _Tokens(credentials)

    @property
    def requests_session(self) -> Line:
        """The one session; a token is put on each request, not on the session."""
        return self._line

    def deliver(self, payload: bytes, deadline: Deadline, now: datetime) -> Outcome:
        """What became of one payload; a token that ran out is renewed once."""
        token = self._tokens.get(deadline, now)
        response = self.send_request(payload, deadline.left_s, token)
        if self._is_access_token_expired(response) and not deadline.is_over:
            token = self._tokens.renew(token, deadline, now)
            response = self.send_request(payload, deadline.left_s, token)
        return self.parse_response(response, now)

    def send_request(self, payload: bytes, timeout: float, token: str) -> Any:
        """One request and its answer, whatever it is."""
        headers = {"Content-Type": "application/json; charset=UTF-8", "Authorization": f"Bearer {token}"}
        return self.requests_session.post(self.fcm_end_point, data=payload, timeout=timeout, headers=headers)

    def parse_response(self, response: Any, now: datetime) -> Outcome:
        """The outcome that the whole answer means: status, error code in the body, Retry-After."""
        return outcome_of(
            response.status_code, response.content, retry_after_s(response.headers.get("Retry-After"), now)
        )

    def _is_access_token_expired(self, response: Any) -> bool:
        return bool(response.status_code == 401 and b"THIRD_PARTY_AUTH_ERROR" not in response.content)


class _Tokens:
    """The access token, asked for by one thread while the others wait, and share its failure as well."""

    def __init__(self, credentials: service_account.Credentials) -> None:
        self._credentials = credentials
        self._line = Line(connections=1)
        self._turn = threading.Lock()
        self._round = 0
        self._failure: Exception | None = None
        self._failed_at = -ASK_AGAIN_S

    def get(self, deadline: Deadline, now: datetime) -> str:
        """A token that is good for some minutes; one that ends soon, too, while Google gives no other."""
        if self._credentials.valid:
            return str(self._credentials.token)
        if self._ends_soon and time.monotonic() - self._failed_at < ASK_AGAIN_S:
            return str(self._credentials.token)
        try:
            return self._ask(deadline, now, lambda: not self._credentials.valid)
        except (NotAnswered, _TokenRefused):
            if self._ends_soon:
                return str(self._credentials.token)
            raise

    @property
    def _ends_soon(self) -> bool:
        return bool(self._credentials.token_state is TokenState.STALE)

    def renew(self, refused: str, deadline: Deadline, now: datetime) -> str:
        """Another token than the one that Google refused."""
        return self._ask(deadline, now, lambda: self._credentials.token == refused)

    def _ask(self, deadline: Deadline, now: datetime, needed: Any) -> str:
        asked = self._round
        with self._turn:
            if self._round != asked and self._failure is not None:
                # Eight threads that each wait for a dead token endpoint in turn would stand still for half a minute.
                raise self._failure
            if needed():
                self._round += 1
                self._failure = None
                try:
                    self._refresh(deadline, now)
                except (NotAnswered, _TokenRefused) as failure:
                    self._failure, self._failed_at = failure, time.monotonic()
                    raise
            return str(self._credentials.token)

    def _refresh(self, deadline: Deadline, now: datetime) -> None:
        try:
            # Half of the time: the message is still to be sent.
            half = Deadline.after(deadline.left_s / 2)
            self._credentials.refresh(_TokenCall(self._line, half, now))  # type: ignore[no-untyped-call]
        except (google.auth.exceptions.GoogleAuthError, TypeError, ValueError, LookupError, AttributeError):
            # google-auth reads whatever comes as if it were what it should be.
            raise _TokenRefused(RetryAt("oauth_unreadable")) from None


class _TokenCall(transport.Request):
    """How google-auth reaches the token endpoint: within the message's own time, and without its sleeping retries."""

    def __init__(self, line: Line, deadline: Deadline, now: datetime) -> None:
        self._line = line
        self._deadline = deadline
        self._now = now

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_options: Any,
    ) -> transport.Response:
        """The answer; anything but a success ends the attempt at once."""
        del timeout
        try:
            answer = self._line.request(method, url, data=body, headers=headers, timeout=self._deadline.left_s)
        except NotAnswered as failure:
            raise _TokenRefused(RetryAt(f"oauth_{failure.code}")) from None
        if answer.status_code == 429 or answer.status_code >= 500:
            wait_s = retry_after_s(answer.headers.get("Retry-After"), self._now)
            raise _TokenRefused(RetryAt(f"oauth_http_{answer.status_code}", wait_s))
        if answer.status_code != 200:
            raise _TokenRefused(GiveUp("credentials", ours=True))
        return _TokenAnswer(answer)


class _TokenAnswer(transport.Response):
    def __init__(self, answer: Any) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self._answer.status_code)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        return dict(self._answer.headers)

    @property
    def data(self) -> bytes:
        """The body."""
        return bytes(self._answer.content)


def _credentials(path: str) -> service_account.Credentials:
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        found: service_account.Credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            told, scopes=_SCOPES
        )
    except OSError as error:
        raise SettingsRefused(f"VIGIE_FCM_CREDENTIALS {path}: {error.strerror or 'cannot be read'}") from None
    except (ValueError, TypeError, AttributeError, google.auth.exceptions.GoogleAuthError):
        # The error of a parser may quote the key.
        raise SettingsRefused(f"VIGIE_FCM_CREDENTIALS {path}: not the JSON file of a Google service account") from None
    if not found.project_id:
        raise SettingsRefused(f"VIGIE_FCM_CREDENTIALS {path}: names no project_id")
    return found
