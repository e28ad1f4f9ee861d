// Many clients at once, each call remembered as sent and, once its answer came, as acknowledged: what must hold after the
// machine went down in the middle of them.
import assert from 'node:assert/strict';

import { until } from '../lib/server.mjs';
import { newestOrdinal, leftOf, tracesOf } from './traces.mjs';

const WRITERS = 20;
const EVENTS_BEFORE = 30;
const KINDS = ['restrict', 'optOut', 'revoke', 'erase'];

/** One round: its people, what was sent, what was acknowledged. */
export class Storm {
  /** @param {{ erasing: boolean }} options `erasing`: people are erased in this round */
  constructor(server, client, random, name, { erasing }) {
    Object.assign(this, { server, client, random, name, erasing });
    this.unanswered = 0;
    /** Calls that a running server had begun to take and never answered. */
    this.lost = 0;
    this.isOver = false;
    /** tag of an event to the number of its person, in order of sending */
    this.sent = new Map();
    this.acknowledged = new Set();
    /** counter of a writer's own person: last sent and last acknowledged */
    this.counters = Array.from({ length: WRITERS }, () => ({ sent: 0, acknowledged: 0 }));
    /** rights calls: kind and number of the person (or key) to 'sent' or 'acknowledged' */
    this.rights = new Map();
    this.keys = [];
  }

  person(kind, i) {
    return `${this.name} ${kind} ${i}`;
  }

  /** People and keys that the round changes; all of it acknowledged. The sample's traces are taken. */
  async prepare() {
    const { client } = this;
    const ids = Array.from({ length: WRITERS }, (_, i) => this.person('writer', i));
    for (const kind of KINDS) if (kind !== 'revoke') for (let i = 0; i < 3; i++) ids.push(this.person(kind, i));
    const users = ids.map((userId) => ({ userId, email: `${userId.replaceAll(' ', '.')}@example.test`, attributes: { n: 0 } }));
    assert.equal((await client.bulkUsers(users)).status, 201);
    this.eraseBefore = Array.from({ length: 3 }, (_, i) => this.person('erase', i));
    const events = [];
    for (let n = 0; n < EVENTS_BEFORE; n++)
      for (const userId of this.eraseBefore) events.push({ userId, eventName: 'Viewed', eventData: { tag: `before ${n}` } });
    assert.equal((await client.bulkEvents(events)).status, 201);
    for (let i = 0; i < 2; i++) {
      const made = await client.call('POST', '/api/keys', { scopes: 'ingest' });
      assert.equal(made.status, 201, made.text);
      this.keys.push(made.json());
    }
    if (this.erasing) this.traces = await tracesOf(this.server, await newestOrdinal(this.server));
  }

  /** Starts all clients; they end when the server does. */
  begin() {
    this.running = [];
    for (let i = 0; i < WRITERS; i++) this.running.push(this.write(i));
  }

  /** Sends the rights calls of the round at random moments within so many milliseconds; the last erasure waits for the end. */
  disturb(milliseconds) {
    const { client } = this;
    const calls = {
      restrict: (i) => client.gdpr('restriction', this.person('restrict', i), { subject_request_id: this.person('restrict', i) }),
      optOut: (i) => client.user({ userId: this.person('optOut', i), emailOptIn: false }),
      revoke: (i) => client.call('DELETE', `/api/keys/${this.keys[i].key.number}`),
      erase: (i) => client.gdpr('erasure', this.person('erase', i), { subject_request_id: this.person('erase', i) }),
    };
    for (const kind of KINDS)
      if (kind !== 'erase' || this.erasing)
        for (let i = 0; i < (kind === 'restrict' || kind === 'optOut' ? 3 : 2); i++)
          this.running.push(this.right(kind, i, calls[kind], this.random.next() * milliseconds));
    this.eraseLast = () => this.running.push(this.right('erase', 2, calls.erase, 0));
  }

  async right(kind, i, call, after) {
    await new Promise((done) => setTimeout(done, after));
    if (this.isOver) return;
    this.rights.set(`${kind} ${i}`, 'sent');
    if (await this.answered(call(i))) this.rights.set(`${kind} ${i}`, 'acknowledged');
  }

  /** True when the call was acknowledged; false when the server went away before. */
  async answered(call) {
    this.unanswered++;
    const answer = await call.catch((error) => {
      /* Refused: it never reached the server. */
      if (error.code !== 'ECONNREFUSED') this.lost++;
    });
    this.unanswered--;
    if (answer) assert.ok(answer.status >= 200 && answer.status < 300, `${answer.status} ${answer.text}`);
    else this.isOver = true;
    return answer !== undefined;
  }

  async write(i) {
    for (let n = 0; !this.isOver; n++) {
      const kind = (i + n) % 4;
      if (kind === 3) await this.sayCounter(i);
      else await this.sendEvents(i, kind === 2 ? this.random.between(2, 30) : 1);
    }
  }

  async sayCounter(i) {
    const counter = this.counters[i];
    const n = ++counter.sent;
    if (await this.answered(this.client.user({ userId: this.person('writer', i), attributes: { n } }))) counter.acknowledged = n;
  }

  async sendEvents(i, count) {
    const events = Array.from({ length: count }, () => {
      const who = this.random.between(0, WRITERS - 1);
      const tag = `${this.name} ${this.sent.size}`;
      this.sent.set(tag, who);
      return { userId: this.person('writer', who), eventName: 'Added', eventData: { tag, by: i }, messageId: tag };
    });
    const call = count === 1 ? this.client.event(events[0]) : this.client.bulkEvents(events);
    if (await this.answered(call)) for (const { eventData } of events) this.acknowledged.add(eventData.tag);
  }

  /** Waits for the moment: so long into the storm, an erasure just sent, with at least so many requests unanswered. */
  async moment(milliseconds, least, afterErasureMs) {
    await new Promise((done) => setTimeout(done, milliseconds));
    if (this.erasing) {
      this.eraseLast();
      await new Promise((done) => setTimeout(done, this.random.next() * afterErasureMs));
    }
    await until(() => this.unanswered >= least, { pauseMs: 1, what: `${least} requests unanswered at once` });
    return this.unanswered;
  }

  /** After the server is gone: every client has noticed. */
  async end() {
    this.isOver = true;
    await Promise.all(this.running);
  }

  // ---- after the restart ----

  async assertHolds() {
    await this.assertEvents();
    await this.assertCounters();
    await this.assertRights();
  }

  async assertEvents() {
    const found = new Map();
    const all = await Promise.all(this.counters.map((_, i) => this.client.events(this.person('writer', i))));
    for (const [i, { status, events, last }] of all.entries()) {
      assert.equal(status, 200, last.text);
      for (const { eventData } of events) {
        assert.equal(this.sent.get(eventData.tag), i, `an event of another person: ${eventData.tag}`);
        found.set(eventData.tag, (found.get(eventData.tag) ?? 0) + 1);
      }
    }
    const wrong = [...this.sent.keys()].filter((tag) => {
      const count = found.get(tag) ?? 0;
      return count > 1 || (count === 0 && this.acknowledged.has(tag));
    });
    assert.deepEqual(wrong, [], 'acknowledged and lost, or there twice');
  }

  async assertCounters() {
    for (const [i, { sent, acknowledged }] of this.counters.entries()) {
      const { status, text, json } = await this.client.read(this.person('writer', i));
      assert.equal(status, 200, text);
      const { n } = json().attributes;
      assert.ok(n >= acknowledged && n <= sent, `${n} is not between ${acknowledged} and ${sent}`);
    }
  }

  async assertRights() {
    const { client } = this;
    const holds = {
      restrict: async (i) => (await client.read(this.person('restrict', i))).status === 403,
      optOut: async (i) => (await client.read(this.person('optOut', i))).json().preferences.email.optedIn === false,
      revoke: async (i) => (await this.useKey(i)).status === 401,
      erase: (i) => this.isErasedOrWhole(i),
    };
    for (const [what, state] of this.rights) {
      const [kind, i] = what.split(' ');
      if (state === 'acknowledged' || kind === 'erase') assert.ok(await holds[kind](i), `${what} does not hold (${state})`);
    }
    if (!this.erasing) for (let i = 0; i < 3; i++) await this.assertWhole(i);
  }

  useKey(i) {
    const event = { userId: this.person('key', i), eventName: 'Added' };
    return this.client.event(event, { key: this.keys[i].text });
  }

  async assertWhole(i) {
    const { status, events } = await this.client.events(this.person('erase', i));
    assert.deepEqual([status, events.length], [200, EVENTS_BEFORE]);
  }

  /** A begun erasure is finished by the start; one that was not begun left the person whole. */
  async isErasedOrWhole(i) {
    const id = this.person('erase', i);
    const read = await this.client.read(id);
    const status = await this.client.status(id);
    if (status.status === 404) {
      await this.assertWhole(i);
      return this.rights.get(`erase ${i}`) === 'sent';
    }
    assert.equal(read.status, 404, 'a begun erasure lets the person be read');
    await until(async () => (await this.client.status(id)).json().status === 'DONE', { what: 'DONE after the start' });
    if (Number(i) === 2) assert.deepEqual(await leftOf(this.server, this.traces), [], 'left after DONE');
    return true;
  }
}
