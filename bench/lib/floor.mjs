// The floor: a bare HTTP server that appends each body to a file and syncs once for all that wait, and does nothing else.
import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { freePort, place, run, start, tools } from './place.mjs';

let binary;

export async function startFloor() {
  if (!binary) {
    binary = join(place, 'httpfloor');
    await run('gcc', ['-O2', '-w', '-o', binary, join(tools, 'limits/httpfloor.c'), '-lpthread']);
  }
  const port = await freePort();
  const log = join(place, 'floor.log');
  const server = await start(binary, ['-p', String(port), '-s', '1800', '-d', log], /READY/);
  return {
    url: `http://127.0.0.1:${port}`,
    pids: [server.pid],
    environment: (style) => ({ STYLE: style }),
    async stop() {
      await server.stop('SIGKILL');
      rmSync(`${log}.0`, { force: true });
    },
  };
}
