/** Results compared, and a watch on the sessions that are made for a model. */
import { expect, vi } from 'vitest';
import type { NativeSession, SessionSpec } from '../../src/codegen/onednn/binding.ts';
import type { Tensor } from '../../src/index.ts';
import { loadAddon } from '../../src/runtime/addon.ts';
import { ELEMENTS } from './network.ts';

/** Like toEqual for results, and fast. */
export function expectSame(actual: Tensor, expected: Tensor): void {
  const isSame = Buffer.from(actual.data.buffer, actual.data.byteOffset, actual.data.byteLength).equals(
    Buffer.from(expected.data.buffer, expected.data.byteOffset, expected.data.byteLength),
  );
  if (!isSame || actual.type !== expected.type || actual.dims.join() !== expected.dims.join())
    expect(actual).toEqual(expected);
}

export interface Watched {
  /** The batch size that its first input has room for. */
  readonly size: number;
  disposed: boolean;
}

/** Every session that the addon makes from now on, until the mocks are restored. */
export function watchSessions(): Watched[] {
  const binding = loadAddon();
  const make = binding.session.bind(binding);
  const all: Watched[] = [];
  vi.spyOn(binding, 'session').mockImplementation((spec: SessionSpec): NativeSession => {
    const session = make(spec);
    const watched: Watched = { size: spec.inputBytes[0] / ELEMENTS, disposed: false };
    all.push(watched);
    return {
      run: (inputs) => session.run(inputs),
      runSync: (inputs, outputs) => session.runSync(inputs, outputs),
      profile: (inputs, outputs) => session.profile(inputs, outputs),
      dispose() {
        watched.disposed = true;
        session.dispose();
      },
    };
  });
  return all;
}
