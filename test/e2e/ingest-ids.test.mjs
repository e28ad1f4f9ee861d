// Ids are compared byte for byte: what looks alike is somebody else, and everybody is readable by URL.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { rawAt } from './lib/json.mjs';
import { seeded } from './lib/random.mjs';
import { Server } from './lib/server.mjs';

/** Each is a person of its own. */
const IDS = [
  'Ann', 'ann', 'ANN', 'ann ', ' ann', 'ann\t', 'ann\n', '\u00a0ann', 'ann\u200b', 'ann\u0000', 'a nn', 'a+nn', 'a%20nn', 'a%2Bnn',
  '\u00e4', 'a\u0308', '\u00c4', 'A\u0308', '\u212b', '\u00c5', 'A\u030a', 'ß', 'SS', 'ss', 'ſs', 'ﬁ', 'fi', 'İ', 'i', 'I', 'ı', 'Σ', 'σ', 'ς',
  'a/b', 'a//b', 'a\\b', 'a', 'a/', '/a', '/', '//', 'a/events', 'events', 'a?b', 'a?', '?', 'a#b', 'a&b', 'a=b', 'a;b', 'a,b', 'a:b', 'a@b.example',
  '.', '..', '...', './a', '../a', '..%2f', '%2e', '%2E', '%2e%2e', '%', '%%', '%zz', '%00', '%c3%a4', '%25', '%252e', '+', ' ', '  ', '0', '00', '-0', '0.0',
  'null', 'true', '[]', '{}', '"', "'", '`', '\\', '\\u0041', '\u0001', '\u001f', '\u007f', '\u0085', '\u2028', '\ufeff', '\ufffd', '\ufffe', '\u{10ffff}',
  '~', '*', '$', '^', '|', '<b>', 'x'.repeat(100), 'x'.repeat(99), '\u{1f600}'.repeat(100), `${'\u{1f600}'.repeat(99)}\u{1f601}`, 'ü'.repeat(100),
  '11111111-2222-3333-4444-555555555555', '11111111-2222-3333-4444-55555555555A', '11111111-2222-3333-4444-55555555555a',
];

let server, client;

before(async () => {
  server = new Server({});
  await server.start();
  client = await server.account();
});
after(() => server.clear());

const field = (anonymous) => (anonymous ? 'anonymousId' : 'userId');
const show = (id) => JSON.stringify(id);

/** The same segment, every byte of it as %XX, or only those that must be. */
const everyByte = (id) => [...Buffer.from(id)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
const fewest = (id) =>
  [...Buffer.from(id)].map((byte) => (byte > 0x20 && byte < 0x7f && !'%/?#'.includes(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)).join('');

function assertIs(answer, id, anonymous, number) {
  assert.equal(answer.status, 200, `${show(id)}: ${answer.text}`);
  const person = answer.json();
  assert.deepEqual(anonymous ? person.anonymousIds : [person.userId], [id]);
  assert.equal(person.attributes.number, number, show(id));
}

for (const anonymous of [false, true])
  describe(anonymous ? 'anonymous ids' : 'User ids', () => {
    const path = anonymous ? '/api/anonymous' : '/api/users';

    test('each is a person of its own, in single calls, in bulk, and by URL', async () => {
      assert.equal(new Set(IDS).size, IDS.length);
      const asUsers = IDS.map((id, number) => ({ [field(anonymous)]: id, attributes: { number } }));
      const asEvents = IDS.map((id, number) => ({ [field(anonymous)]: id, eventName: 'Seen', eventData: { number } }));
      for (const [i, user] of asUsers.entries()) {
        if (i % 2) continue;
        assert.equal((await client.user(user)).text, '{"response":{"status":"queued"}}', show(IDS[i]));
        assert.equal((await client.event(asEvents[i])).text, '{"response":{"status":"queued"}}', show(IDS[i]));
      }
      for (const id of IDS.filter((_, i) => i % 2)) assert.equal((await client.read(id, { anonymous })).status, 404, `${show(id)} is somebody else`);
      const odd = (list) => list.filter((_, i) => i % 2);
      assert.equal((await client.bulkUsers(odd(asUsers))).text, '{"response":{"status":"queued"}}');
      assert.equal((await client.bulkEvents(odd(asEvents))).text, '{"response":{"status":"queued"}}');
      for (const [number, id] of IDS.entries()) {
        assertIs(await client.read(id, { anonymous }), id, anonymous, number);
        const { events } = await client.events(id, { anonymous });
        assert.deepEqual(events.map(({ eventData }) => eventData), [{ number }], show(id));
      }
    });

    test('each is found however its URL is escaped', async () => {
      for (const [number, id] of IDS.entries())
        for (const escaped of [everyByte(id), fewest(id)]) {
          assertIs(await client.call('GET', `${path}/${escaped}`), id, anonymous, number);
          const events = await client.call('GET', `${path}/${escaped}/events`);
          assert.equal(rawAt(events.text, 'events', 0, 'eventData', 'number'), String(number), show(id));
        }
    });

    test('each is found by a bare request line, dots and all', async () => {
      for (const id of ['.', '..', '...', 'a', '%2e', 'a:b', '~', '*']) {
        const line = `GET ${path}/${fewest(id)} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${client.api_key}\r\nConnection: close\r\n\r\n`;
        const { status, text } = await client.raw(line, { waitMs: 5000 });
        assert.equal(status, 200, `${id}: ${text}`);
        assert.deepEqual(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)).attributes, { number: IDS.indexOf(id) });
      }
    });

    test('a URL that is no id is 404 or 400, and nobody', async () => {
      for (const url of ['', '/', '/a%2', '/%', '/%zz', '/%c3', '/%ff', '/nobody', '/a/b', '/a/events/b', '//', '/a%2Fevents%2F', `/${'x'.repeat(101)}`]) {
        const answer = await client.call('GET', path + url);
        assert.ok([400, 404].includes(answer.status), `${url}: ${answer.status}`);
        assert.deepEqual(Object.keys(answer.json()), ['error'], url);
      }
    });

    test('escapes in JSON are of the sending only', async (t) => {
      const random = seeded(t);
      for (let round = 0; round < 40; round++) {
        const id = `${round} ${random.text(random.between(1, 60))}`;
        const escaped = `"${[...id].flatMap((point) => point.split('')).map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`;
        assert.equal((await client.user(`{"${field(anonymous)}":${escaped},"attributes":{"number":-1}}`)).status, 201);
        assert.equal((await client.user({ [field(anonymous)]: id, attributes: { number: round } })).status, 201);
        assertIs(await client.read(id, { anonymous }), id, anonymous, round);
      }
    });

    test('they are still so after a restart', async () => {
      await server.restart();
      for (const [number, id] of IDS.entries()) assertIs(await client.read(id, { anonymous }), id, anonymous, number);
    });
  });
