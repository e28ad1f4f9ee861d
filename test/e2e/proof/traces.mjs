// What of one person lies in the files, sealed and hashed, and where it is found again. Sealed data makes a search for
// plain marks prove nothing by itself; these bytes are what must be gone once an erasure is DONE (semantics 10 b).
import assert from 'node:assert/strict';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { query, search } from '../lib/search.mjs';

const PAGE = 4096;
const LOG_HEADER = 32;
const FRAME_HEADER = 24;
const SLOTS_AT = 4096;
const SLOT = 64;
/** So much of a sealed body is looked for. */
const SEALED = 32;

export const ledgerOf = (server) => join(server.data, 'ledger/ledger.db');
export const profilesOf = (server) => join(server.data, 'vault/profiles.db');

/** Every volume of the journal. @returns {Promise<string[]>} */
export async function volumesOf(server) {
  const folder = join(server.data, 'vault/events');
  const names = (await readdir(folder)).filter((name) => /^\d+\.db$/.test(name));
  return names.sort().map((name) => join(folder, name));
}

export async function databasesOf(server) {
  return [ledgerOf(server), profilesOf(server), ...(await volumesOf(server))];
}

/** The ordinal of the person who was made last. People made one after another have neighbouring ones. */
export async function newestOrdinal(server) {
  const [{ newest }] = await query(ledgerOf(server), 'SELECT max(ordinal) AS newest FROM subject');
  return Number(newest ?? 0);
}

/**
 * Everything of a person that must be gone: the wrapped key, fingerprints, and the beginning of each sealed body. To be
 * asked before the erasure begins, of a person whom account 1 has under this ordinal.
 * @returns {Promise<{ key: Record<string, Buffer>, prints: Record<string, Buffer>, sealed: Record<string, Buffer> }>}
 */
export async function tracesOf(server, ordinal) {
  const ledger = ledgerOf(server);
  const whose = `account = 1 AND ordinal = ${ordinal}`;
  const found = { key: {}, prints: {}, sealed: {} };
  const [{ slot }] = await query(ledger, `SELECT slot FROM subject WHERE ${whose}`);
  found.key[`key of ${ordinal}`] = await readSlot(server, Number(slot));
  for (const row of await query(ledger, `SELECT kind, fingerprint FROM identity WHERE ${whose}`))
    found.prints[`fingerprint ${row.kind} of ${ordinal}`] = row.fingerprint;
  const bodies = [
    [ledger, `SELECT number AS n, sealed FROM preference WHERE sealed IS NOT NULL AND ${whose}`, 'preference'],
    [ledger, `SELECT request AS n, id_sealed AS sealed FROM request WHERE id_sealed IS NOT NULL AND ${whose}`, 'request'],
    [profilesOf(server), `SELECT 1 AS n, sealed FROM profile WHERE ${whose}`, 'profile'],
    [profilesOf(server), `SELECT number AS n, sealed FROM parked WHERE ${whose}`, 'parked'],
  ];
  for (const volume of await volumesOf(server))
    bodies.push([volume, `SELECT seq AS n, body AS sealed FROM event WHERE account = 1 AND subject = ${ordinal}`, 'event']);
  for (const [file, sql, kind] of bodies)
    for (const { n, sealed } of await query(file, sql))
      found.sealed[`${kind} ${n} of ${ordinal}`] = sealed.subarray(0, SEALED);
  return found;
}

async function readSlot(server, slot) {
  const file = await open(join(server.data, 'ledger/keys'), 'r');
  try {
    const bytes = Buffer.alloc(SLOT);
    const { bytesRead } = await file.read(bytes, 0, SLOT, SLOTS_AT + SLOT * slot);
    assert.equal(bytesRead, SLOT);
    assert.ok(!bytes.equals(Buffer.alloc(SLOT)), `slot ${slot} is empty`);
    return bytes;
  } finally {
    await file.close();
  }
}

/** The traces of several people as one. */
export function together(many) {
  const merged = (part) => Object.assign({}, ...many.map((traces) => traces[part]));
  return { key: merged('key'), prints: merged('prints'), sealed: merged('sealed') };
}

export function needlesOf({ key, prints, sealed }) {
  return { ...key, ...prints, ...sealed };
}

/** Each of the traces is found in the files: the control of the search. */
export async function assertAllFound(server, traces, paths = [server.root]) {
  const needles = needlesOf(traces);
  const seen = new Set((await search(needles, paths)).map(({ needle }) => needle));
  const missing = Object.keys(needles).filter((needle) => !seen.has(needle));
  assert.deepEqual(missing, [], 'the search does not find what must be there');
}

/**
 * What of the traces is still in a file, as lines for people: none after DONE. A fingerprint may stand in the table `mark`.
 * @returns {Promise<string[]>}
 */
export async function leftOf(server, traces, paths = [server.root]) {
  const found = await search(needlesOf(traces), paths, { pid: server.pid });
  const marks = found.length > 0 ? await pagesOfMarks(server) : undefined;
  const left = [];
  for (const one of found)
    if (!(one.needle in traces.prints && (await isInMarks(server, marks, one))))
      left.push(`${one.needle} (${one.form}) in ${one.file} at ${one.offset}`);
  return left;
}

async function pagesOfMarks(server) {
  const sql = "SELECT pageno FROM dbstat WHERE name IN ('mark', 'mark_until', 'sqlite_autoindex_mark_1')";
  return new Set((await query(ledgerOf(server), sql)).map(({ pageno }) => Number(pageno)));
}

async function isInMarks(server, pages, { file, offset }) {
  const ledger = ledgerOf(server);
  if (offset < 0) return false;
  if (file === ledger) return pages.has(Math.floor(offset / PAGE) + 1);
  if (file !== `${ledger}-wal` || offset < LOG_HEADER) return false;
  const frame = Math.floor((offset - LOG_HEADER) / (FRAME_HEADER + PAGE));
  const log = await readFile(file);
  return pages.has(log.readUInt32BE(LOG_HEADER + frame * (FRAME_HEADER + PAGE)));
}

/** Every database is sound and the audit chain is whole; with a server running or without. */
export async function assertIntegrity(server) {
  for (const file of await databasesOf(server)) {
    const rows = await query(file, 'PRAGMA integrity_check');
    assert.deepEqual(rows.map((row) => Object.values(row)[0]), ['ok'], file);
  }
  const { code, stderr } = await server.cli(['audit', 'verify']);
  assert.equal(code, 0, stderr);
}
