// Looks for bytes of a person in everything that a program left behind: every file below some directories (their names,
// too), the files that a running process still holds open although they were removed, and texts (logs, answers). A value
// is looked for in every form in which programs write values down.
import { execFile } from 'node:child_process';
import { opendir, open, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const CHUNK = 4 << 20;
/** Shorter than this, a form would be found by chance. */
const LENGTH_MIN = 6;

/**
 * @typedef {Buffer|string} Needle text is looked for in all forms, bytes (a key, a sealed body) in those of bytes
 * @typedef {{ needle: string, file: string, offset: number, form: string }} Found `offset` -1: in the file's name
 */

/**
 * Searches all files below `paths` (files or directories; symbolic links are not followed).
 * @param {Record<string, Needle>} needles by a name that says which it is
 * @param {string[]} paths
 * @param {{ pid?: number }} [options] `pid`: also what that process holds open under no name
 * @returns {Promise<Found[]>}
 */
export async function search(needles, paths, { pid } = {}) {
  const patterns = new Patterns(needles);
  const found = [];
  for (const path of paths)
    for await (const file of filesBelow(path)) found.push(...(await searchFile(patterns, file, file)));
  for (const [file, label] of pid === undefined ? [] : await namelessFilesOf(pid))
    found.push(...(await searchFile(patterns, file, label)));
  return found;
}

/** Searches a text or bytes. @param {Record<string, Needle>} needles @param {Buffer|string} hay @returns {Found[]} */
export function searchIn(needles, hay, name = 'text') {
  return [...new Patterns(needles).in(Buffer.from(hay), 0, name)];
}

/** One line for each find, for a test's message. @param {Found[]} found */
export function describe(found) {
  return found.map(({ needle, file, offset, form }) => `${needle} (${form}) in ${file} at ${offset}`).join('\n');
}

/**
 * All forms of a value that are looked for.
 * @param {Needle} value @returns {Map<string, Buffer>} form to bytes
 */
export function formsOf(value) {
  const bytes = Buffer.from(value);
  const forms = new Map([['raw', bytes]]);
  const add = (form, text, encoding = 'latin1') => {
    const made = Buffer.from(text, encoding);
    if (made.length >= LENGTH_MIN && ![...forms.values()].some((other) => other.equals(made))) forms.set(form, made);
  };
  if (bytes.length < LENGTH_MIN) throw new RangeError(`a needle of ${bytes.length} bytes is found by chance`);
  add('hex', bytes.toString('hex'));
  add('HEX', bytes.toString('hex').toUpperCase());
  for (let shift = 0; shift < 3; shift++) {
    const text = base64Core(bytes, shift);
    add(`base64+${shift}`, text);
    add(`base64url+${shift}`, text.replaceAll('+', '-').replaceAll('/', '_'));
  }
  if (typeof value === 'string') addTextForms(value, add);
  return forms;
}

function addTextForms(text, add) {
  const escaped = (pattern, upper) =>
    text.replace(pattern, (unit) => {
      const digits = unit.charCodeAt(0).toString(16).padStart(4, '0');
      return `\\u${upper ? digits.toUpperCase() : digits}`;
    });
  add('utf-16le', text, 'utf16le');
  add('utf-16be', Buffer.from(text, 'utf16le').swap16());
  add('json', JSON.stringify(text).slice(1, -1), 'utf8');
  for (const upper of [false, true]) {
    const letter = upper ? 'U' : 'u';
    add(`json-\\${letter} all`, escaped(/[^]/g, upper));
    add(`json-\\${letter} beyond ascii`, escaped(/[^\x20-\x7e]|["\\]/g, upper));
  }
  add('url', encodeURIComponent(text.toWellFormed?.() ?? text));
}

/** What of the base64 text of "something before + bytes + something after" depends on the bytes alone. */
function base64Core(bytes, shift) {
  const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
  return text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6));
}

/** Many patterns at once: two bytes as a sieve, four as the key, then the comparison. */
class Patterns {
  constructor(needles) {
    this.sieve = new Uint8Array(65536);
    /** @type {Map<number, { needle: string, form: string, bytes: Buffer }[]>} */
    this.byStart = new Map();
    this.longest = 0;
    for (const [needle, value] of Object.entries(needles))
      for (const [form, bytes] of formsOf(value)) this.add({ needle, form, bytes });
  }

  add(pattern) {
    const key = pattern.bytes.readUInt32LE(0);
    this.sieve[key & 0xffff] = 1;
    this.byStart.set(key, [...(this.byStart.get(key) ?? []), pattern]);
    this.longest = Math.max(this.longest, pattern.bytes.length);
  }

  /**
   * @param {Buffer} hay @param {number} base offset of its first byte @param {string} file
   * @param {number} [seen] so many bytes were looked at before: what ends within them was found then
   * @returns {Generator<Found>}
   */
  *in(hay, base, file, seen = 0) {
    const { sieve, byStart } = this;
    for (let at = 0; at + 4 <= hay.length; at++) {
      if (sieve[hay[at] | (hay[at + 1] << 8)] === 0) continue;
      for (const { needle, form, bytes } of byStart.get(hay.readUInt32LE(at)) ?? [])
        if (
          at + bytes.length > seen &&
          hay.compare(bytes, 0, bytes.length, at, Math.min(at + bytes.length, hay.length)) === 0
        )
          yield { needle, file, offset: base + at, form };
    }
  }
}

async function searchFile(patterns, file, label) {
  const found = [...patterns.in(Buffer.from(label), 0, label)].map((one) => ({ ...one, offset: -1 }));
  const handle = await openIfThere(file);
  if (!handle) return found;
  try {
    found.push(...(await searchHandle(patterns, handle, label)));
  } finally {
    await handle.close();
  }
  return found;
}

/** Reads in pieces; each begins with the end of the one before, so that nothing is missed between two. */
async function searchHandle(patterns, handle, label) {
  const buffer = Buffer.alloc(CHUNK + patterns.longest);
  const found = [];
  let base = 0;
  let held = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, held, CHUNK, base + held);
    if (bytesRead === 0) return found;
    const length = held + bytesRead;
    found.push(...patterns.in(buffer.subarray(0, length), base, label, held));
    held = Math.min(patterns.longest - 1, length);
    buffer.copy(buffer, 0, length - held, length);
    base += length - held;
  }
}

async function* filesBelow(path) {
  const kind = await stat(path).catch(ifGone);
  if (!kind) return;
  if (kind.isFile()) yield path;
  if (!kind.isDirectory()) return;
  const entries = await opendir(path).catch(ifGone);
  for await (const entry of entries ?? []) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) yield* filesBelow(inner);
    else if (entry.isFile()) yield inner;
  }
}

/** Files that a process has open and that no directory lists any more, and its memory files. */
async function namelessFilesOf(pid) {
  const files = [];
  for await (const { name } of await opendir(`/proc/${pid}/fd`)) {
    const link = `/proc/${pid}/fd/${name}`;
    const target = await readlink(link).catch(ifGone);
    if (!target?.endsWith(' (deleted)') && !target?.startsWith('/memfd:')) continue;
    if ((await stat(link).catch(ifGone))?.isFile()) files.push([link, `${link} -> ${target}`]);
  }
  return files;
}

async function openIfThere(file) {
  return open(file, 'r').catch(ifGone);
}

/** A running program removes files while we look; every other failure is one. */
function ifGone(error) {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}

// ---- what stands in a SQLite file ----

/**
 * Rows of a query on a SQLite file, opened read-only: objects by column, blobs as Buffer, whole numbers past 2^53 as
 * BigInt. Works beside a running server. By node:sqlite where this node has it, else by the command sqlite3.
 * @param {string} file @param {string} sql one SELECT or PRAGMA
 * @returns {Promise<Record<string, null|number|bigint|string|Buffer>[]>}
 */
export async function query(file, sql) {
  const sqlite = await nodeSqlite();
  return sqlite ? queryByNode(sqlite, file, sql) : queryByCommand(file, sql);
}

/** Every blob of every table. @param {string} file @returns {Promise<{ table: string, column: string, bytes: Buffer }[]>} */
export async function blobsOf(file) {
  const blobs = [];
  for (const { name } of await query(file, "SELECT name FROM sqlite_schema WHERE type = 'table'"))
    for (const row of await query(file, `SELECT * FROM "${String(name).replaceAll('"', '""')}"`))
      for (const [column, value] of Object.entries(row))
        if (Buffer.isBuffer(value)) blobs.push({ table: String(name), column, bytes: value });
  return blobs;
}

async function nodeSqlite() {
  if (process.env.HABEAS_SQLITE_COMMAND) return undefined;
  const module = await import('node:sqlite').catch(() => undefined);
  return module?.DatabaseSync;
}

function plain(value) {
  if (value instanceof Uint8Array) return Buffer.from(value);
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function queryByNode(DatabaseSync, file, sql) {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const statement = db.prepare(sql);
    statement.setReadBigInts(true);
    const plainRow = (row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]));
    return statement.all().map(plainRow);
  } finally {
    db.close();
  }
}

async function queryByCommand(file, sql) {
  const settings = ['-readonly', '-batch', '-cmd', '.mode quote', '-cmd', '.headers on', '-cmd', '.timeout 2000'];
  const { stdout } = await promisify(execFile)('sqlite3', [...settings, file, sql], { maxBuffer: 1 << 30 });
  const [names, ...rows] = quotedRows(stdout);
  return rows.map((row) => Object.fromEntries(row.map((value, i) => [names[i], value])));
}

/** Rows of the command's quote mode: 'text', X'bytes', numbers and NULL, with commas between. */
function quotedRows(text) {
  const cell = /X'([0-9a-fA-F]*)'|'((?:[^']|'')*)'|([^,\n]+)/y;
  const rows = [];
  let row = [];
  for (let at = 0; at < text.length; at = cell.lastIndex + 1) {
    cell.lastIndex = at;
    const [, bytes, string, other] = cell.exec(text);
    if (bytes !== undefined) row.push(Buffer.from(bytes, 'hex'));
    else if (string !== undefined) row.push(string.replaceAll("''", "'"));
    else row.push(other === 'NULL' ? null : /^-?\d+$/.test(other) ? plain(BigInt(other)) : Number(other));
    if (text[cell.lastIndex] !== ',') {
      rows.push(row);
      row = [];
    }
  }
  return rows;
}
