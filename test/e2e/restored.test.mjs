// An older copy is put back, of everything or of the ledger alone: no nonce comes twice under a key, and a ledger that is
// older than what stands beside it is refused.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { query } from './lib/search.mjs';
import { startServer, StartError } from './lib/server.mjs';
import { ledgerOf, profilesOf, volumesOf } from './proof/traces.mjs';

const copy = (from, to) => execFileSync('cp', ['-a', from, to]);

async function ok(promise) {
  const answer = await promise;
  assert.ok(answer.status === 200 || answer.status === 201, `${answer.status} ${answer.text}`);
  return answer;
}

// ---- nonces ----

/** Every table that holds something sealed with a person's key: whose, salt, counter and what was sealed. */
const sealedIn = {
  ledger: {
    preference: 'SELECT ordinal AS whose, salt, counter, sealed FROM preference WHERE sealed IS NOT NULL',
    request: 'SELECT ordinal AS whose, id_salt AS salt, id_counter AS counter, id_sealed AS sealed FROM request WHERE id_sealed IS NOT NULL',
    rights:
      'SELECT ordinal AS whose, notice_salt AS salt, notice_counter AS counter, notice_sealed AS sealed FROM rights WHERE notice_sealed IS NOT NULL',
  },
  profiles: {
    profile: 'SELECT ordinal AS whose, bytes AS salt, counter, sealed FROM profile JOIN salt USING (salt)',
    parked: 'SELECT ordinal AS whose, bytes AS salt, counter, sealed FROM parked JOIN salt USING (salt)',
  },
  volume: {
    event: 'SELECT subject AS whose, bytes AS salt, counter, body AS sealed FROM event JOIN salt USING (salt)',
  },
};

/** @returns {Promise<{ table: string, nonce: string, sealed: string }[]>} */
async function sealedRows(server) {
  const files = [
    [ledgerOf(server), sealedIn.ledger],
    [profilesOf(server), sealedIn.profiles],
    ...(await volumesOf(server)).map((file) => [file, sealedIn.volume]),
  ];
  const rows = [];
  for (const [file, tables] of files)
    for (const [table, sql] of Object.entries(tables))
      for (const { whose, salt, counter, sealed } of await query(file, sql))
        rows.push({ table, nonce: `${whose} ${salt.toString('hex')} ${counter}`, sealed: sealed.toString('hex') });
  return rows;
}

/** The same calls in the same order each time, with other contents: what counts from the start comes to the same numbers. */
async function writeMuch(client, word) {
  const consent = { wording: word, version: '1', when: '2026-11-20T10:00:00Z', road: 'form' };
  for (let i = 0; i < 5; i++) {
    await ok(client.user({ userId: 'ann', firstName: `${word} ${i}`, emailOptIn: i % 2 === 0, consent }));
    await Promise.all(
      Array.from({ length: 8 }, (_, n) => ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { word, i, n } }))),
    );
  }
  await ok(client.gdpr('restriction', 'ann', { subject_request_id: `${word} restrict` }));
  await ok(client.gdpr('re-enable', 'ann', { subject_request_id: `${word} lift`, notice: { told_at: '2026-11-01T10:00:00Z', road: word } }));
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: `${word} erase` }));
  for (let i = 0; i < 5; i++) await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { word, i } }));
}

test('no nonce is used twice under a key, also when an older copy of everything is put back and written to', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  for (let i = 0; i < 4; i++) await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { i } }));
  await server.stop();
  const kept = join(server.root, 'kept');
  copy(server.data, kept);
  const seen = new Map();
  const tables = new Set();
  for (const word of ['first', 'second', 'third']) {
    rmSync(server.data, { recursive: true });
    copy(kept, server.data);
    await server.start();
    await writeMuch(client, word);
    await server.stop();
    for (const { table, nonce, sealed } of await sealedRows(server)) {
      /* What the copy held already is there each time, unchanged. */
      assert.ok((seen.get(nonce) ?? sealed) === sealed, `${table}: a nonce sealed two texts`);
      seen.set(nonce, sealed);
      tables.add(table);
    }
  }
  const all = Object.values(sealedIn).flatMap((each) => Object.keys(each));
  assert.deepEqual([...tables].sort(), all.sort(), 'each table had something');
});

// ---- an older ledger ----

async function positionOf(client) {
  const { text } = await client.call('GET', '/metrics', undefined, { key: null });
  return Number(/^habeas_ledger_position (\d+)$/m.exec(text)[1]);
}

for (const [what, send, name] of [
  ['a volume', (client) => client.event({ userId: 'ann', eventName: 'Seen' }), /events\/\S*\d|volume/],
  ['profiles.db', (client) => client.user({ userId: 'ann', firstName: 'Changed' }), /profiles\.db/],
])
  test(`an older ledger beside ${what} that was written later is refused with both positions`, async (t) => {
    const server = await startServer(t, { options: ['--cancel-window', '7d'] });
    const client = await server.account();
    for (const userId of ['ann', 'ben'])
      for (let i = 0; i < 2; i++) {
        await ok(client.user({ userId, firstName: `${userId} ${i}` }));
        await ok(client.event({ userId, eventName: 'Seen' }));
      }
    await ok(client.gdpr('restriction', 'ben'));
    const older = await positionOf(client);
    await server.stop();
    copy(join(server.data, 'ledger'), join(server.root, 'older'));
    await server.start();
    await ok(client.gdpr('re-enable', 'ben'));
    await ok(send(client)); // nothing else is written behind the position that the copy does not know
    const newer = await positionOf(client);
    assert.ok(newer > older);
    await server.stop();
    renameSync(join(server.data, 'ledger'), join(server.root, 'newer'));
    copy(join(server.root, 'older'), join(server.data, 'ledger'));
    const refused = await server.start().then(
      () => assert.fail('it started with an older ledger'),
      (error) => error,
    );
    assert.ok(refused instanceof StartError, refused);
    const said = refused.ended.stderr;
    assert.match(said, name);
    assert.match(said, new RegExp(`position ${newer} .*position ${older} `), said);
    rmSync(join(server.data, 'ledger'), { recursive: true });
    renameSync(join(server.root, 'newer'), join(server.data, 'ledger'));
    await server.start();
    assert.equal((await client.read('ann')).status, 200);
  });
