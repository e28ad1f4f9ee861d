// Where a measurement lives: a folder of its own, programs that end with it, the tools it needs.
import { execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = resolve(fileURLToPath(import.meta.url), '../../..');
export const tools = resolve(process.env.HABEAS_BENCH_TOOLS ?? join(root, '../shared/bench'));

for (const needed of ['load/batch.lua', 'load/cpurun.py', 'limits/httpfloor.c'])
  if (!existsSync(join(tools, needed))) {
    console.error(`bench: there is no ${needed} in the folder of HABEAS_BENCH_TOOLS: name the load tools' folder`);
    process.exit(2);
  }

export const place = mkdtempSync(join(process.env.HABEAS_BENCH_PLACE ?? tmpdir(), 'habeas-bench-'));
chmodSync(place, 0o711); // the peer's database runs as a user of its own

const endings = [];
/** Called when the measurement ends, however it does; the latest first. It cannot wait for anything. */
export const atEnd = (ending) => endings.unshift(ending);
process.on('exit', () => {
  for (const ending of endings) ending();
  rmSync(place, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

/** Runs a command to its end: what it wrote on standard output. */
export async function run(command, args, options = {}) {
  return (await promisify(execFile)(command, args, { maxBuffer: 1 << 24, ...options })).stdout;
}

/**
 * Starts a program that goes on; returns once what it writes matches `ready`.
 * @returns {Promise<{ pid: number, found: RegExpExecArray, stop: (signal?: string) => Promise<void> }>}
 */
export function start(command, args, ready) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((done) => child.once('close', done));
  const kill = () => child.exitCode === null && child.signalCode === null && child.kill('SIGKILL');
  atEnd(kill);
  const stop = async (signal = 'SIGTERM') => {
    child.kill(signal);
    const late = setTimeout(kill, 60_000);
    await ended;
    clearTimeout(late);
    endings.splice(endings.indexOf(kill), 1);
  };
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('exit', (code) => failed(new Error(`${command} ended with ${code}`)));
    let text = '';
    child.stdout.on('data', (bytes) => {
      text += bytes;
      const found = ready.exec(text);
      if (found) done({ pid: child.pid, found, stop });
    });
  });
}

/** A port of this machine that nobody listens on. */
export function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
