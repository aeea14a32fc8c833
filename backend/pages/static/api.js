// The HTTP API: who is asking, in which language, and every failure as one `Problem`.

import { syncClock } from './clock.js';
import { currentLanguage, t } from './words.js';

const PATIENCE_MS = 8000;

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? body.title ?? body.code);
    this.status = status;
    this.code = body.code ?? `http_${status}`;
    this.detail = body.detail ?? body.title ?? t('problem.unknown', { status });
    this.retryable = body.retryable ?? status >= 500;
    this.body = body;
  }

  get isNetwork() {
    return this.status === 0;
  }
}

export class Api {
  constructor({ token, onSignedOut = () => {} }) {
    this.token = token;
    this.onSignedOut = onSignedOut;
  }

  get(path) { return this.request('GET', path); }

  post(path, body = {}, headers = {}) { return this.request('POST', path, body, headers); }

  put(path, body = {}) { return this.request('PUT', path, body); }

  delete(path) { return this.request('DELETE', path); }

  async request(method, path, body = undefined, headers = {}) {
    const token = this.token();
    const sentAt = Date.now();
    let answer;
    let content;
    try {
      answer = await fetch(path, {
        method,
        cache: method === 'GET' && path.startsWith('/v1/network/') ? 'default' : 'no-store',
        credentials: 'omit',
        signal: AbortSignal.timeout(PATIENCE_MS),
        headers: {
          Accept: 'application/json, application/geo+json, application/problem+json',
          'Accept-Language': currentLanguage(),
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...(token ? { Authorization: `Bearer ${token}` } : {}),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      content = answer.status === 204 ? {} : await answer.json();
    } catch {
      // No answer is not a refusal: the request may have been stored. Whoever retries sends the same id.
      if (answer && !answer.ok) throw new Problem(answer.status, {});
      throw new Problem(0, { code: 'offline', detail: t('problem.offline'), retryable: true });
    }
    if (!answer.ok) {
      const problem = new Problem(answer.status, content);
      problem.retryAfterS = Number(answer.headers.get('Retry-After')) || null;
      if (answer.status === 401 && token) this.onSignedOut(problem);
      throw problem;
    }
    if (content.server_time) syncClock(content.server_time, sentAt, Date.now());
    return content;
  }
}
