/** A session of the addon as the runtime sees it. */
import { assert, fail, messageOf, systemCode } from '../../diagnostics/index.ts';
import { bytesOf, type ITensor, type Node, newArray, sizeOf, viewAs } from '../../ir/index.ts';
import type { Plan, Session } from '../backend.ts';
import type { NativeSession } from './binding.ts';
import { type OutputType, roomOf } from './counted.ts';

/** About what a command takes in a session. */
const COMMAND_BYTES = 1024;

export function bytesOfPlan(
  arena: number,
  border: readonly number[],
  commands: number,
): Pick<Plan, 'bytes' | 'keptBytes' | 'bytesOfRun'> {
  const bytesOfRun = border.reduce((total, bytes) => total + bytes, 0);
  return { bytesOfRun, bytes: arena + bytesOfRun, keptBytes: bytesOfRun + commands * COMMAND_BYTES };
}

/** The part of a plan that JavaScript needs to run a session. */
export interface Opened {
  readonly nodes: readonly Pick<Node, 'id' | 'op' | 'loc'>[];
  readonly labels: readonly string[];
  /** The types of the outputs. */
  readonly types: readonly OutputType[];
}

/** @param retire takes the session when nobody uses it any more; absent: it is disposed of */
export function open(
  { nodes, labels, types }: Opened,
  session: NativeSession,
  retire?: (session: NativeSession) => void,
): Session {
  let isRetired = false;
  const own = (): NativeSession => {
    assert(!isRetired, 'the session has other sizes now');
    return session;
  };
  const fresh = () => types.map((type): ITensor => ({ ...type, data: newArray(type.dtype, roomOf(type)) }));
  const tensorsOf = (results: readonly Uint8Array[]) =>
    types.map((type, i) => asCounted(type, viewAs(type.dtype, results[i])));
  const counted = (results: readonly ITensor[]) => results.map(({ data }, i) => asCounted(types[i], data));
  /** Fails as the interpreter does where a position that was computed lies outside of its axis. */
  const refusedPosition = (error: unknown): never => {
    if (systemCode(error) !== 'ERR_POSITION') throw error;
    const { command } = error as { readonly command?: number };
    const label = command === undefined ? undefined : labels[command];
    fail('U2005', messageOf(error), { ...nodes.find(({ id }) => id === label)?.loc, input: 'indices' });
  };
  const withPositions = <T>(run: () => T): T => {
    try {
      return run();
    } catch (error) {
      return refusedPosition(error);
    }
  };
  return {
    run(inputs, areUnchanging) {
      const results = withPositions(() => own().run(buffersOf(inputs), areUnchanging));
      return results instanceof Promise ? results.then(tensorsOf, refusedPosition) : tensorsOf(results);
    },
    runSync(inputs) {
      const results = fresh();
      withPositions(() => own().runSync(buffersOf(inputs), buffersOf(results)));
      return counted(results);
    },
    profile(inputs) {
      const results = fresh();
      const perCommand = withPositions(() => own().profile(buffersOf(inputs), buffersOf(results)));
      const byNode = new Map<string, number>();
      labels.forEach((label, i) => {
        byNode.set(label, (byNode.get(label) ?? 0) + perCommand[i]);
      });
      const times = nodes.map(({ id, op }) => ({ node: id, op, microseconds: byNode.get(id) ?? 0 }));
      return { outputs: counted(results), times };
    },
    dispose() {
      if (!isRetired) session.dispose();
    },
    ...(retire && {
      retire() {
        if (!isRetired) retire(session);
        isRetired = true;
      },
    }),
  };
}

/** The part of a result with room that is there. */
function asCounted({ dtype, shape, counted }: OutputType, data: ITensor['data']): ITensor {
  if (counted === undefined) return { dtype, shape, data };
  const actual = shape.with(counted, Number(data[data.length - 1]));
  return { dtype, shape: actual, data: data.slice(0, sizeOf(actual)) };
}

/** Stands for a tensor without elements, which a session takes as one byte and does not read. */
const NOTHING = new Uint8Array(1);
const buffersOf = (tensors: readonly ITensor[]): Uint8Array[] =>
  tensors.map(({ data }) => (data.length === 0 ? NOTHING : bytesOf(data)));
