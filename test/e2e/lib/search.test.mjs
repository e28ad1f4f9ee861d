import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdtempSync,
  mkdirSync,
  openSync,
  ftruncateSync,
  writeSync,
  closeSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { Random } from './random.mjs';
import { blobsOf, describe, formsOf, query, search, searchIn } from './search.mjs';

const NAME = 'Zoë "Ünal"\\ 😀 Müller';

function directory(t) {
  const path = mkdtempSync(join(tmpdir(), 'habeas-search-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test('a value is found in every form in which it may have been written down', async (t) => {
  const dir = directory(t);
  const padded = (n) => Buffer.concat([Buffer.from('abcdef'.slice(0, n)), Buffer.from(NAME), Buffer.from('xyz')]);
  const all = [...NAME].flatMap((c) => Array.from({ length: c.length }, (_, i) => c.charCodeAt(i)));
  const unicode = (unit) => `\\u${unit.toString(16).padStart(4, '0')}`;
  const written = {
    raw: NAME,
    utf16le: Buffer.from(NAME, 'utf16le'),
    utf16be: Buffer.from(NAME, 'utf16le').swap16(),
    hex: Buffer.from(NAME).toString('hex'),
    upperHex: Buffer.from(NAME).toString('hex').toUpperCase(),
    base64of0: padded(0).toString('base64'),
    base64of1: padded(1).toString('base64'),
    base64of2: padded(2).toString('base64'),
    base64url: padded(4).toString('base64url'),
    json: JSON.stringify({ name: NAME }),
    escaped: all.map(unicode).join(''),
    escapedPartly: all
      .map((unit) => (unit > 126 || unit === 34 || unit === 92 ? unicode(unit) : String.fromCharCode(unit)))
      .join(''),
    url: `/api/users/${encodeURIComponent(NAME)}`,
  };
  for (const [name, content] of Object.entries(written)) {
    const file = join(dir, name);
    writeFileSync(file, Buffer.concat([Buffer.alloc(17, 'q'), Buffer.from(content), Buffer.alloc(5, 'q')]));
    const found = await search({ name: NAME }, [file]);
    assert.ok(found.length > 0, `${name} was not found`);
    assert.ok(found.every((one) => one.file === file && one.needle === 'name' && one.offset >= 17));
  }
  assert.equal((await search({ name: 'Zoe Unal Muller' }, [dir])).length, 0);
});

test('bytes are found at every offset, across the pieces in which a file is read', async (t) => {
  const dir = directory(t);
  const random = new Random(7);
  const needle = random.bytes(40);
  const piece = 4 << 20;
  const offsets = [0, 1, 100_003, piece - 40, piece - 39, piece - 1, piece, piece + 7, 2 * piece - 20, 2 * piece + 500];
  for (const offset of offsets) {
    const file = join(dir, `at-${offset}`);
    const handle = openSync(file, 'w');
    writeSync(handle, needle, 0, needle.length, offset);
    ftruncateSync(handle, offset + 3 * piece);
    closeSync(handle);
    const found = await search({ needle }, [file]);
    assert.deepEqual(
      found.map((one) => one.offset),
      [offset],
      describe(found),
    );
    rmSync(file);
  }
});

test('file names, removed files that are still open, and deep directories are looked at', async (t) => {
  const dir = directory(t);
  mkdirSync(join(dir, 'a/b/c'), { recursive: true });
  writeFileSync(join(dir, 'a/b/c/person-4711.txt'), 'nothing');
  writeFileSync(join(dir, 'a/removed'), 'here is person-4711');
  const handle = openSync(join(dir, 'a/removed'), 'r');
  unlinkSync(join(dir, 'a/removed'));
  const found = await search({ id: 'person-4711' }, [dir, join(dir, 'not there')], { pid: process.pid });
  closeSync(handle);
  assert.equal(found.length, 2, describe(found));
  assert.equal(found[0].offset, -1);
  assert.match(found[1].file, /removed \(deleted\)/);
});

test('a form hides in no other and short needles are refused', () => {
  assert.throws(() => formsOf('short'), RangeError);
  assert.ok(formsOf(Buffer.alloc(32, 1)).has('base64+2'));
  assert.ok(!formsOf(Buffer.from('plain bytes')).has('utf-16le'));
  assert.equal(searchIn({ a: 'needle-1', b: 'needle-2' }, 'needle-1 needle-2 needle-1').length, 3);
  assert.equal(searchIn({ a: 'needle-1' }, 'needle-').length, 0);
});

test('what is not there is not found, in 64 MB and with 2,000 needles in seconds', async (t) => {
  const dir = directory(t);
  const random = new Random(11);
  const block = random.bytes(1 << 20);
  const handle = openSync(join(dir, 'big'), 'w');
  for (let i = 0; i < 64; i++) writeSync(handle, block);
  closeSync(handle);
  const needles = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`n${i}`, random.bytes(32)]));
  const begin = Date.now();
  assert.equal((await search(needles, [dir])).length, 0);
  t.diagnostic(`${Date.now() - begin} ms`);
});

for (const road of ['', '1'])
  test(`rows of a SQLite file keep their bytes${road && ', by the command'}`, async (t) => {
    const file = join(directory(t), 'a.db');
    process.env.HABEAS_SQLITE_COMMAND = road;
    const sql = `CREATE TABLE t(i INTEGER, r REAL, s TEXT, b BLOB, n);
      INSERT INTO t VALUES(9223372036854775807, 0.5, 'it''s, a
"line" é', x'00ff0a2c27', NULL), (-3, 2.0, '', x'', 'NULL')`;
    execFileSync('sqlite3', [file, sql]);
    const rows = await query(file, 'SELECT * FROM t');
    assert.deepEqual(rows, [
      { i: 9223372036854775807n, r: 0.5, s: 'it\'s, a\n"line" é', b: Buffer.from('00ff0a2c27', 'hex'), n: null },
      { i: -3, r: 2, s: '', b: Buffer.alloc(0), n: 'NULL' },
    ]);
    assert.deepEqual(
      (await blobsOf(file)).map(({ column, bytes }) => column + bytes.length),
      ['b5', 'b0'],
    );
    assert.deepEqual(await query(file, 'SELECT * FROM t WHERE i = 12'), []);
    await assert.rejects(query(file, 'SELECT nothing FROM nowhere'));
  });
