/** Loads the native addon, once per process or worker, or explains the failure and its remedy. */
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { relative } from 'node:path';
import type { OneDnnBinding, OneDnnVersion } from '../codegen/index.ts';
import { fail, UnskewError } from '../diagnostics/index.ts';
import { addonFault } from './addon_seal.ts';
import { truncatedLibrary } from './linked_library.ts';
import { packageFolder as root } from './package_folder.ts';

/** `scripts/setup` writes the addon to this path. */
const addonPath = `${root}build/Release/unskew.node`;

let loaded: OneDnnBinding | undefined;

/**
 * The binding of oneDNN.
 * @param path another file to load, for tests
 * @throws UnskewError U5001 with the reason and the command that helps
 */
export function loadAddon(path: string = addonPath): OneDnnBinding {
  if (loaded !== undefined && path === addonPath) return loaded;
  const binding = load(path);
  if (path === addonPath) loaded = binding;
  return binding;
}

/** True when `loadAddon` would succeed; `reason` is the message of its error. */
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
  const setup = setupCommand();
  const fault = addonFault(path, root);
  if (fault !== undefined)
    return fail('U5001', `the native addon ${fault}`, { file: path }, `run ${setup}, which builds it; ${without}`);
  const truncated = truncatedLibrary(path);
  if (truncated !== undefined)
    return fail('U5001', 'the library of oneDNN is truncated', { file: truncated }, `install it again; ${without}`);
  let binding: OneDnnBinding;
  try {
    binding = createRequire(import.meta.filename)(path);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return fail('U5001', `the native addon cannot be loaded: ${cause}`, { file: path }, hintFor(cause, setup));
  }
  const { version, builtFor } = binding;
  if (!isEnough(version, builtFor))
    return fail(
      'U5001',
      `the native addon was built against oneDNN ${shown(builtFor)}, and finds ${shown(version)}`,
      { file: path },
      `run ${setup}, which builds it against the oneDNN that is installed; LD_LIBRARY_PATH may name another one; ${without}`,
    );
  return binding;
}

const without = "without it backend 'reference' runs models, slowly";

/** The command to type here: in a working copy scripts/setup, in an application node_modules/unskew/scripts/setup. */
function setupCommand(): string {
  const path = `${root}scripts/setup`;
  try {
    return relative(process.cwd(), path);
  } catch {
    return path; // the working folder is gone
  }
}

/** oneDNN keeps its interface within a major version, and adds to it with each minor one. */
const isEnough = (found: OneDnnVersion, needed: OneDnnVersion): boolean =>
  found.major === needed.major && found.minor >= needed.minor;

const shown = ({ major, minor, patch }: OneDnnVersion): string => `${major}.${minor}.${patch}`;

function hintFor(cause: string, setup: string): string {
  if (/libdnnl|dnnl_/.test(cause)) {
    return `oneDNN (libdnnl) is missing, or is not the version the addon was built against: run ${setup}, which installs it and builds the addon against it; ${without}`;
  }
  if (/GLIBC|GLIBCXX|libgomp|libstdc\+\+/.test(cause)) {
    return `it was built on another system: run ${setup}, which builds it on this one`;
  }
  return `run ${setup}, which builds it for this machine and this Node.js; it needs an x86-64 CPU with SSE4.1, and AVX2 or AVX-512 with VNNI to be fast`;
}
