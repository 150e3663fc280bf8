/**
 * Loads the native addon, once per process or worker, or says why it cannot and what to do.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OneDnnBinding } from '../codegen/onednn/binding.ts';
import { fail, UnskewError } from '../diagnostics/index.ts';

/** Where `scripts/setup` puts it; the same from src/ and from dist/. */
const addonPath = fileURLToPath(new URL('../../build/Release/unskew.node', import.meta.url));

/** As one types it here: in a working copy scripts/setup, in an application node_modules/unskew/scripts/setup. */
const setup = relative(process.cwd(), fileURLToPath(new URL('../../scripts/setup', import.meta.url)));

let loaded: OneDnnBinding | undefined;

/**
 * The binding of oneDNN.
 * @param path another file to load, for tests
 * @throws UnskewError U5001 with what was tried and the command that helps
 */
export function loadAddon(path: string = addonPath): OneDnnBinding {
  if (loaded !== undefined && path === addonPath) return loaded;
  const binding = load(path);
  if (path === addonPath) loaded = binding;
  return binding;
}

/** Whether `loadAddon` would succeed; `reason` is the message of its error. */
export function addonAvailable():
  | { readonly available: true }
  | { readonly available: false; readonly reason: string } {
  try {
    loadAddon();
    return { available: true };
  } catch (error) {
    if (!(error instanceof UnskewError)) throw error;
    return { available: false, reason: error.message };
  }
}

function load(path: string): OneDnnBinding {
  if (platform() !== 'linux' || arch() !== 'x64') {
    return fail(
      'U5001',
      `the native addon is for linux on x64, and this is ${platform()} on ${arch()}`,
      { file: path },
      "use backend 'reference' here",
    );
  }
  if (!existsSync(path)) {
    return fail('U5001', 'the native addon has not been built', { file: path }, `run ${setup}, which builds it`);
  }
  try {
    return createRequire(import.meta.url)(path) as OneDnnBinding;
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return fail('U5001', `the native addon cannot be loaded: ${cause}`, { file: path }, hintFor(cause));
  }
}

function hintFor(cause: string): string {
  if (/libdnnl/.test(cause)) {
    return `oneDNN (libdnnl) is missing, or is not the version the addon was built against: run ${setup}, which installs it and builds the addon against it`;
  }
  if (/GLIBC|GLIBCXX|libgomp|libstdc\+\+/.test(cause)) {
    return `it was built on another system: run ${setup}, which builds it on this one`;
  }
  return `run ${setup}, which builds it for this machine and this Node.js; it needs an x86-64 CPU with SSE4.1, and AVX2 or AVX-512 with VNNI to be fast`;
}
