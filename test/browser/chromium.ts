/** Headless Chromium, driven by nothing but its command line and a server that the page talks to. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const chromium = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);

/**
 * Loads a module in a page and waits for its answer.
 *
 * @param files the files that the page may fetch, by path
 * @param script the page's module; it sends its answer with `fetch('/answer', { method: 'POST', body })`
 */
export async function answerOf(script: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const profile = mkdtempSync(join(tmpdir(), 'unskew-chromium-'));
  let answer: (text: string) => void = () => {};
  const answered = new Promise<string>((resolve) => (answer = resolve));
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/';
    if (path === '/answer') answer(await bodyOf(request));
    const found = path === '/' ? `<!doctype html><script type="module">${script}</script>` : files[path];
    response.writeHead(found === undefined && path !== '/answer' ? 404 : 200, { 'content-type': typeOf(path) });
    response.end(found);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const browser = spawn(
    chromium ?? 'chromium',
    ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  browser.stderr.on('data', (chunk) => (said += chunk));
  const ended = once(browser, 'exit').then(([code]) =>
    Promise.reject(new Error(`Chromium ended with ${code}: ${said}`)),
  );
  try {
    return await Promise.race([answered, ended]);
  } finally {
    ended.catch(() => {});
    if (browser.exitCode === null) {
      browser.kill('SIGKILL');
      await once(browser, 'exit');
    }
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

const typeOf = (path: string): string =>
  path === '/' ? 'text/html' : path.endsWith('.js') ? 'text/javascript' : 'text/plain';

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
