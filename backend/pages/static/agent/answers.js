// An agent's answers to the server: sent again by themselves through a gap in the network, refused in words.

const TRIES = 8;

export class Answers {
  constructor({ api, state, onNotice }) {
    Object.assign(this, { api, state, onNotice });
    this.link = null;
    this.told = new Set();
    this.pending = new Set();
  }

  // Receipts go by the socket that brought the offer; by HTTP when there is none. Each is said once.
  async tell(what, deliveryId) {
    const key = `${what}/${deliveryId}`;
    if (!deliveryId || this.told.has(key)) return;
    this.told.add(key);
    const answer = await this.link?.send(what, { delivery_id: deliveryId });
    if (answer?.ok) return;
    try {
      await this.api.post(`/v1/deliveries/${deliveryId}/${what}`);
    } catch (problem) {
      if (problem.retryable) {
        this.told.delete(key);
        setTimeout(() => void this.tell(what, deliveryId), 2000);
      }
    }
  }

  // Resolves true when stored. `device_at` stays the moment of the tap, however late it arrives.
  async answer(assignment, action, body = {}) {
    const key = `${assignment.id}/${action}`;
    if (this.pending.has(key)) return false;
    this.pending.add(key);
    const sent = { ...body, device_at: new Date().toISOString() };
    try {
      for (let attempt = 1; ; attempt += 1) {
        try {
          this.state.put(await this.api.post(`/v1/assignments/${assignment.id}/${action}`, sent));
          return true;
        } catch (problem) {
          if (!problem.retryable || attempt >= TRIES) {
            this.refused(assignment, problem);
            return false;
          }
          this.onNotice({ key: 'agent.retrying' });
          await new Promise((resolve) => setTimeout(resolve, 500 * attempt));
        }
      }
    } finally {
      this.pending.delete(key);
    }
  }

  refused(assignment, problem) {
    if (problem.code === 'already_taken') {
      this.state.withdraw({ assignment_id: assignment.id, reason: 'taken', taken_by: problem.body.by });
    } else {
      if (problem.status === 404 || problem.status === 409) this.state.withdraw({ assignment_id: assignment.id, reason: 'closed' });
      this.onNotice({ text: problem.detail });
    }
  }
}
