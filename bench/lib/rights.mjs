// What people ask for while events pour in: a few calls a second, each on a person of its own, each answer checked.
import { randomUUID } from 'node:crypto';

import { pause } from './place.mjs';

const user = (n) => `u${String(n).padStart(7, '0')}`;

/** What is done in turn; each gives the statuses it got beside those that are right. */
const kinds = {
  async erase(desk, id) {
    return [[await desk.ask('erasure', id), 201]];
  },
  async cancel(desk, id) {
    const request = randomUUID();
    const asked = await desk.ask('erasure', id, request);
    return [[asked, 201], [await desk.call('DELETE', `/v1/accounts/L1/opengdpr_requests/${request}`), 200]];
  },
  async restrict(desk, id) {
    return [[await desk.ask('restriction', id), 201], [await desk.call('GET', `/api/users/${id}`), 403]];
  },
  async lift(desk, id) {
    return [[await desk.ask('restriction', id), 201], [await desk.ask('re-enable', id), 201]];
  },
  async read(desk, id) {
    return [[await desk.call('GET', `/api/users/${id}`), 200], [await desk.call('GET', `/api/users/${id}/events?limit=100`), 200]];
  },
  async list(desk) {
    return [[await desk.call('GET', '/api/requests?limit=100'), 200]];
  },
};

export class Desk {
  /** @param {{ url: string, account: { api_key: string } }} habeas @param {number} people u0000000 and the following */
  constructor(habeas, people) {
    Object.assign(this, { habeas, people, counts: {}, wrong: [], slowestMs: 0 });
  }

  /** Goes on until stopped; `perSecond` kinds a second, one after the other. */
  work(perSecond) {
    this.going = true;
    this.ended = (async () => {
      for (let n = 0; this.going; n++) {
        const begin = performance.now();
        await this.one(n);
        await pause(Math.max(0, 1000 / perSecond - (performance.now() - begin)));
      }
    })();
  }

  async stop() {
    this.going = false;
    await this.ended;
  }

  async one(n) {
    const names = Object.keys(kinds);
    const name = names[n % names.length];
    if (n >= this.people) return; // nobody is asked about twice
    try {
      for (const [got, right] of await kinds[name](this, user(n)))
        if (got !== right) this.wrong.push(`${name}: ${got}, not ${right}`);
    } catch (error) {
      this.wrong.push(`${name}: ${error.cause?.code ?? error.message}`);
    }
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  ask(type, id, request = randomUUID()) {
    return this.call('POST', '/v1/accounts/L1/opengdpr_requests', {
      subject_request_id: request, subject_request_type: type,
      subject_identities: [{ identity_type: 'cuid', identity_value: id }] });
  }

  async call(method, path, body) {
    const begin = performance.now();
    const answer = await fetch(this.habeas.url + path, { method, body: body && JSON.stringify(body),
      headers: { authorization: `Bearer ${this.habeas.account.api_key}`, 'content-type': 'application/json' } });
    await answer.arrayBuffer();
    this.slowestMs = Math.max(this.slowestMs, performance.now() - begin);
    return answer.status;
  }
}
