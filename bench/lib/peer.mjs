// The peer: what a team would write instead, Node on PostgreSQL. It is not always there: `startPeer` then says why.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { sizeOf } from './habeas.mjs';
import { atEnd, freePort, place, run, tools } from './place.mjs';

const folder = join(tools, 'peer-node-postgres');
const postgres = '/usr/lib/postgresql';

function missing() {
  if (!existsSync(join(folder, 'run.sh'))) return `there is no ${folder}/run.sh`;
  const versions = existsSync(postgres) ? readdirSync(postgres) : [];
  if (!versions.some((version) => existsSync(join(postgres, version, 'bin/initdb'))))
    return 'PostgreSQL is not installed (apt-get install postgresql)';
  return null;
}

/** @returns {Promise<{ peer?: object, why?: string }>} */
export async function startPeer() {
  const why = missing();
  if (why) return { why };
  const state = join(place, 'peer');
  const [port, database] = [await freePort(), await freePort()];
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    PORT: String(port), PGPORT: String(database), API_KEY: 'test-key' };
  const stop = () => spawnSync(join(folder, 'stop.sh'), ['--purge', state], { env, stdio: 'ignore' });
  atEnd(stop);
  try {
    await run(join(folder, 'run.sh'), [state], { env, timeout: 120_000 });
  } catch (error) {
    return { why: `it did not start: ${String(error.stderr || error.message).trim().split('\n').at(-1)}` };
  }
  const first = (path) => Number(readFileSync(join(state, path), 'utf8').split('\n')[0]);
  return { peer: {
    url: `http://127.0.0.1:${port}`,
    pids: [first('server.pid'), first('pg/postmaster.pid')],
    environment: (style) => ({ STYLE: style, KEY: 'test-key', LICENSE: 'L1' }),
    /** Rows and indexes; not its write-ahead log. */
    bytes: () => sizeOf(join(state, 'pg/base')).bytes,
    stop,
  } };
}
