// Answered means durable (semantics 10): the machine goes down in the middle of a storm of calls, twenty times by a power
// cut, which drops whatever no sync followed, and twenty times by kill -9.
import assert from 'node:assert/strict';
import test from 'node:test';

import { seeded } from './lib/random.mjs';
import { startServer } from './lib/server.mjs';
import { Storm } from './proof/storm.mjs';
import { assertIntegrity } from './proof/traces.mjs';

const ROUNDS = 20;
const UNANSWERED = 8;
/** Each sync takes so much longer, so that requests pile up behind it. */
const SYNC_MS = 6;
/** The end comes right behind the last erasure, or at most so long: then some are answered and not DONE. */
const ERASURE_MS = 8 * SYNC_MS;

const ends = {
  'a power cut': async (server, random) => {
    await server.shim(`keep ${random.chance(0.5) ? random.between(1, 1e6) : 0}`);
    return () => server.cut();
  },
  'kill -9': async (server) => () => server.kill(),
};

for (const [what, prepareEnd] of Object.entries(ends))
  test(`what was answered outlives ${what}, ${ROUNDS} rounds`, async (t) => {
    const random = seeded(t);
    const server = await startServer(t, { shim: true, options: ['--cancel-window', '0'] });
    const client = await server.account();
    const totals = { events: 0, acknowledged: 0, unanswered: [], erasures: [], rights: {} };
    for (let round = 0; round < ROUNDS; round++) {
      const storm = new Storm(server, client, random, `p${random.hex(8)}`, { erasing: round % 2 === 1 });
      await storm.prepare();
      const end = await prepareEnd(server, random);
      await server.shim(`slow ${SYNC_MS}`);
      storm.begin();
      const window = random.between(60, 250);
      storm.disturb(window);
      await storm.moment(window * (0.6 + random.next() * 0.8), UNANSWERED, round % 4 === 1 ? 0 : ERASURE_MS);
      await end();
      await storm.end();
      assert.ok(storm.lost >= UNANSWERED, `${storm.lost} calls were on their way`);
      if (storm.erasing) totals.erasures.push(storm.rights.get('erase 2'));
      await server.start();
      await storm.assertHolds();
      await assertIntegrity(server);
      totals.events += storm.sent.size;
      totals.acknowledged += storm.acknowledged.size;
      totals.unanswered.push(storm.lost);
      for (const [call, state] of storm.rights) {
        const key = `${call.split(' ')[0]} ${state}`;
        totals.rights[key] = (totals.rights[key] ?? 0) + 1;
      }
    }
    t.diagnostic(JSON.stringify(totals));
    assert.ok(totals.acknowledged > 0 && totals.acknowledged < totals.events);
    assert.equal(totals.erasures.length, ROUNDS / 2);
    assert.ok(totals.erasures.includes('sent'), 'no erasure was on its way when the end came');
    for (const kind of ['restrict', 'optOut', 'revoke', 'erase'])
      assert.ok(totals.rights[`${kind} acknowledged`] > 0, `no ${kind} was acknowledged before the end`);
    assert.equal(server.stderr.match(/assert|abort/i), null, server.stderr);
  });
