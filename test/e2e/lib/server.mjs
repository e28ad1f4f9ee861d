// Starts the program under test in a fresh directory of its own and ends it again, in every way a machine can end it.
//
// Around one server:  ROOT            made by mkdtemp, removed after the test (kept with HABEAS_KEEP=1)
//                     ROOT/disk       what the disk shim watches; DIR, its master key and mirrors lie in it
//                     ROOT/disk/data  DIR
//                     ROOT/temporary  TMPDIR of the program
// HABEAS_PROGRAM names another program than build/habeas; HABEAS_SHIM a built disk shim (else it is compiled once).
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Client } from './client.mjs';

const REPOSITORY = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const START_MS = 20_000;
const STOP_MS = 30_000;

/** The program under test. */
export const program = resolve(process.env.HABEAS_PROGRAM ?? join(REPOSITORY, 'build/habeas'));

/**
 * @typedef {object} ServerOptions
 * @property {string[]} [options] further options of `serve`
 * @property {Record<string, string>} [env] further environment
 * @property {boolean|Record<string, string>} [shim] under the disk shim; an object holds HABEAS_SHIM_* variables
 * @property {string} [program] another program than the one under test (the control build)
 *
 * @typedef {{ code: number|null, signal: string|null, stdout: string, stderr: string }} Ended
 * @typedef {{ license: string, api_key: string, write_key: string }} Account
 */

/**
 * A running server that is cleaned up after the test.
 * @param {import('node:test').TestContext} t @param {ServerOptions} [options] @returns {Promise<Server>}
 */
export async function startServer(t, options = {}) {
  const server = new Server(options);
  t.after(() => server.clear());
  await server.start();
  return server;
}

/** The same without starting it: for tests of the command line alone. @returns {Server} */
export function newServer(t, options = {}) {
  const server = new Server(options);
  t.after(() => server.clear());
  return server;
}

export class Server {
  /** @param {ServerOptions} options */
  constructor(options) {
    this.settings = options;
    this.program = options.program ?? program;
    this.root = mkdtempSync(join(tmpdir(), 'habeas-e2e-'));
    this.disk = join(this.root, 'disk');
    this.data = join(this.disk, 'data');
    this.temporary = join(this.root, 'temporary');
    mkdirSync(this.disk, { mode: 0o700 });
    mkdirSync(this.temporary, { mode: 0o700 });
    /** What every run of this server wrote, for the search. */
    this.stdout = '';
    this.stderr = '';
    this.clients = [];
  }

  get url() {
    return `http://${this.host}:${this.port}`;
  }

  get isRunning() {
    return this.child !== undefined;
  }

  get pid() {
    return this.child?.pid;
  }

  /** Serves; returns once the program says that it listens. @param {Partial<ServerOptions>} [changes] kept from here on */
  async start(changes = {}) {
    assert.ok(!this.isRunning, 'the server is running already');
    Object.assign(this.settings, changes);
    const { options = [], shim } = this.settings;
    const env = { ...this.environment(), ...(shim ? this.shimEnvironment(shim) : {}) };
    const line = ['serve', '--data', this.data, '--listen', '127.0.0.1:0', ...options];
    this.child = spawn(this.program, line, { env, cwd: this.temporary, stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = this.watch(this.child);
    await this.listening();
    return this;
  }

  /** SIGTERM; the program must end by itself with 0. */
  async stop() {
    const ended = await this.end('SIGTERM');
    assert.deepEqual([ended.code, ended.signal], [0, null], `stopping ended otherwise\n${ended.stderr}`);
    return ended;
  }

  /** SIGKILL: the page cache survives, memory does not. */
  async kill() {
    return this.end('SIGKILL');
  }

  /** Power cut (needs the shim): what no sync followed is gone. Returns when the disk is as it was left. */
  async cut() {
    assert.ok(this.settings.shim, 'a power cut needs the shim');
    const ended = await this.end('SIGUSR2');
    assert.equal(ended.signal, 'SIGKILL', `the power cut ended otherwise: ${JSON.stringify(ended)}`);
    return ended;
  }

  /** The same directory again, on another port; clients follow. @param {Partial<ServerOptions>} [changes] */
  async restart(changes) {
    if (this.isRunning) await this.stop();
    return this.start(changes);
  }

  /**
   * Runs one command of the program; `--data` is added where it is missing.
   * @param {string[]} line @param {{ input?: string, env?: Record<string, string>, shim?: Record<string, string> }} [options]
   * @returns {Promise<Ended>}
   */
  async cli(line, { input, env = {}, shim } = {}) {
    const all = line.includes('--data') || line.includes('--help') ? line : [...line, '--data', this.data];
    const environment = { ...this.environment(), ...env, ...(shim ? this.shimEnvironment(shim, false) : {}) };
    return run(this.program, all, { input, env: environment, cwd: this.temporary });
  }

  /** Makes an account and returns a client that uses it. @param {string} [license] @param {string[]} [options] */
  async account(license = 'shop1', options = []) {
    const { code, stdout, stderr } = await this.cli(['account', 'add', '--license', license, ...options]);
    assert.equal(code, 0, `account add: ${stderr}`);
    return this.client(JSON.parse(stdout));
  }

  /** A client for an account that is there. @param {Account} account */
  client(account) {
    const client = new Client(this, account);
    this.clients.push(client);
    return client;
  }

  /**
   * Tells the shim one line ("fail 17", "count", "full 0", "slow 2", "keep 5", "off", "state"); in force on return.
   * @param {string} line @returns {Promise<{ calls: number, struck: string|null, unsynced_bytes: number }>}
   */
  async shim(line) {
    const answer = await new Promise((done, failed) => {
      let text = '';
      const socket = connect(this.shimSocket, () => socket.write(`${line}\n`));
      socket.setEncoding('utf8').on('data', (piece) => (text += piece));
      socket.on('end', () => done(JSON.parse(text))).on('error', failed);
    });
    assert.equal(answer.error, undefined, `the shim does not know "${line}"`);
    return answer;
  }

  /** Ends the program whatever it is doing and removes everything. */
  async clear() {
    for (const client of this.clients) client.close();
    if (this.isRunning) await this.kill();
    if (process.env.HABEAS_KEEP) console.error(`kept: ${this.root}`);
    else rmSync(this.root, { recursive: true, force: true });
  }

  // ---- inside ----

  get shimSocket() {
    return join(this.root, 'shim.sock');
  }

  /** The caller's environment without what would change the program. */
  environment() {
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('HABEAS_'));
    return { ...Object.fromEntries(kept), TMPDIR: this.temporary, ...this.settings.env };
  }

  shimEnvironment(shim, controlled = true) {
    const settings = { LD_PRELOAD: shimLibrary(), HABEAS_SHIM_DIR: this.disk, ...(shim === true ? {} : shim) };
    return controlled ? { ...settings, HABEAS_SHIM_CONTROL: this.shimSocket } : settings;
  }

  /** @returns {Promise<Ended>} settles when the program has ended and all its output was read */
  watch(child) {
    const output = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'])
      child[stream].setEncoding('utf8').on('data', (text) => {
        output[stream] += text;
        this[stream] += text;
        child.emit('output', output);
      });
    return new Promise((done) => {
      child.on('error', (error) =>
        done({ code: null, signal: null, ...output, stderr: `${this.program}: ${error.message}` }),
      );
      child.on('close', (code, signal) => {
        if (this.child === child) this.child = undefined;
        done({ code, signal, ...output });
      });
    });
  }

  async listening() {
    const child = this.child;
    const line = new Promise((done) => {
      child.on('output', ({ stdout }) => {
        const match = /^habeas: listening on http:\/\/(.+):(\d+)$/m.exec(stdout);
        if (match) done(match);
      });
    });
    const match = await within(START_MS, Promise.race([line, this.ended]), 'the server did not say that it listens');
    if (!Array.isArray(match)) {
      this.child = undefined;
      throw new StartError(match);
    }
    [, this.host] = match;
    this.port = Number(match[2]);
  }

  async end(signal) {
    assert.ok(this.isRunning, 'the server is not running');
    const { child, ended } = this;
    child.kill(signal);
    return within(STOP_MS, ended, `the server did not end on ${signal}`).catch((error) => {
      child.kill('SIGKILL');
      throw error;
    });
  }
}

/** The server ended before it listened; `ended` says how. */
export class StartError extends Error {
  /** @param {Ended} ended */
  constructor(ended) {
    super(`the server ended before it listened (${ended.code ?? ended.signal}): ${ended.stderr}`);
    this.ended = ended;
  }
}

/** Waits until `check` gives something true, and returns it. */
export async function until(check, { timeoutMs = 10_000, pauseMs = 20, what = 'what was waited for' } = {}) {
  for (const begin = Date.now(); ;) {
    const result = await check();
    if (result) return result;
    if (Date.now() - begin > timeoutMs) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
    await new Promise((done) => setTimeout(done, pauseMs));
  }
}

function within(milliseconds, promise, message) {
  let timer;
  const late = new Promise((_, failed) => {
    timer = setTimeout(() => failed(new Error(`${message} within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** @returns {Promise<Ended>} */
function run(file, line, { input = '', env, cwd }) {
  return new Promise((done) => {
    const child = execFile(file, line, { env, cwd, maxBuffer: 1 << 28, timeout: 60_000 }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : null;
      done({
        code: error ? code : 0,
        signal: error?.signal ?? null,
        stdout,
        stderr: stderr || (code === null && error?.message) || '',
      });
    });
    child.stdin.on('error', () => {}); // a program may end without reading its input
    child.stdin.end(input);
  });
}

let library;

/** The disk shim, compiled once for its present source. */
export function shimLibrary() {
  library ??= process.env.HABEAS_SHIM ? resolve(process.env.HABEAS_SHIM) : compileShim();
  return library;
}

function compileShim() {
  const sources = ['disk.c', 'disk_undo.c', 'disk_control.c'].map((name) => join(REPOSITORY, 'test/shim', name));
  const hash = createHash('sha256');
  for (const file of [...sources, join(REPOSITORY, 'test/shim/disk.h')]) hash.update(readFileSync(file));
  const folder = existsSync(join(REPOSITORY, 'build/build.ninja')) ? join(REPOSITORY, 'build') : tmpdir();
  const target = join(folder, `disk_shim-${hash.digest('hex').slice(0, 16)}.so`);
  if (existsSync(target)) return target;
  const fresh = `${target}.${process.pid}`;
  execFileSync('cc', ['-std=c17', '-D_GNU_SOURCE', '-O2', '-shared', '-fPIC', '-pthread', '-o', fresh, ...sources]);
  renameSync(fresh, target);
  return target;
}
