// A driver's answers: one tap each, sent again through a gap in the network, refused in words.

const TRIES = 6;

export class DriverAnswers {
  constructor({ api, state, onNotice }) {
    Object.assign(this, { api, state, onNotice });
    this.link = null;
    this.pending = new Set();
    this.told = new Set();
  }

  // Tells the server that the tablet has the request; without it the control room would think the bus cannot be reached.
  async received(deliveryId) {
    if (!deliveryId || this.told.has(deliveryId)) return;
    this.told.add(deliveryId);
    const answer = await this.link?.send('received', { delivery_id: deliveryId });
    if (answer?.ok) return;
    try {
      await this.api.post(`/v1/deliveries/${deliveryId}/received`);
    } catch (problem) {
      if (problem.retryable) this.told.delete(deliveryId);
    }
  }

  async say(stop, action, body = {}) {
    const key = `${stop.id}/${action}`;
    if (this.pending.has(key)) return false;
    this.pending.add(key);
    try {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const answer = await this.api.post(`/v1/night-stops/${stop.id}/${action}`, body);
          this.state.put(answer.night_stop ?? answer);
          this.onNotice('');
          return true;
        } catch (problem) {
          if (!problem.retryable || attempt >= TRIES) {
            if (problem.status === 404) this.state.remove(stop.id, null);
            this.onNotice(problem.detail);
            return false;
          }
          await new Promise((resolve) => setTimeout(resolve, 400 * attempt));
        }
      }
    } finally {
      this.pending.delete(key);
    }
  }
}
