/** Results compared, and a watch on the sessions that are made for a model. */
import { expect, vi } from 'vitest';
import type { NativeSession, SessionTemplate } from '../../src/codegen/onednn/binding.ts';
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

/** Every session that the addon makes from now on, until the mocks are restored, those of templates among them; one that gets another size counts as two. */
export function watchSessions(): Watched[] {
  const binding = loadAddon();
  const all: Watched[] = [];
  const sessions = new WeakMap<NativeSession, { readonly session: NativeSession; watched: Watched }>();
  const begin = (bytes: number): Watched => {
    const watched: Watched = { size: bytes / ELEMENTS, disposed: false };
    all.push(watched);
    return watched;
  };
  const watch = (session: NativeSession, bytes: number): NativeSession => {
    const own = { session, watched: begin(bytes) };
    const wrapper: NativeSession = {
      run: (inputs) => session.run(inputs),
      runSync: (inputs, outputs) => session.runSync(inputs, outputs),
      profile: (inputs, outputs) => session.profile(inputs, outputs),
      dispose() {
        own.watched.disposed = true;
        session.dispose();
      },
    };
    sessions.set(wrapper, own);
    return wrapper;
  };
  const make = binding.session.bind(binding);
  vi.spyOn(binding, 'session').mockImplementation((spec, arenas) => watch(make(spec, arenas), spec.inputBytes[0]));
  const open = binding.opening.bind(binding);
  vi.spyOn(binding, 'opening').mockImplementation((spec, arenas) => {
    const opening = open(spec, arenas);
    return {
      advance(milliseconds) {
        const session = opening.advance(milliseconds);
        return session && watch(session, spec.inputBytes[0]);
      },
    };
  });
  const makeTemplate = binding.sessionTemplate.bind(binding);
  const own = new WeakMap<SessionTemplate, SessionTemplate>();
  vi.spyOn(binding, 'sessionTemplate').mockImplementation((spec, arenas) => {
    const template = makeTemplate(spec, arenas);
    const watched: SessionTemplate = {
      numbers: () => template.numbers(),
      matches: (other) => template.matches(own.get(other) ?? other),
      session: (sizes) => watch(template.session(sizes), sizes.numbers[0]),
      resize(wrapper, sizes) {
        const known = sessions.get(wrapper);
        if (!known) return expect.fail('a session of another addon');
        template.resize(known.session, sizes);
        known.watched.disposed = true;
        known.watched = begin(sizes.numbers[0]);
      },
    };
    own.set(watched, template);
    return watched;
  });
  return all;
}
