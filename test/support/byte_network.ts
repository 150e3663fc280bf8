/** Networks of bytes that run as one segment, compared with the interpreter. */
import { expect } from 'vitest';
import { onednn } from '../../src/codegen/onednn/index.ts';
import {
  type ByteType,
  dnnlConv,
  evaluateGraph,
  type Graph,
  GraphBuilder,
  nnConcat,
  nnReshape,
  nnSlice,
  nnTranspose,
  qnnLut,
  tensor,
  topologicalOrder,
  type Value,
} from '../../src/ir/index.ts';
import { loadAddon } from '../../src/runtime/addon.ts';
import { random, typed } from '../native/support.ts';

const machine = { isa: 'vnni', threads: 1 } as const;

export type Bytes = Value<ByteType>;

/** Byte networks, operator by operator, with drawn constants. */
export class ByteNetwork {
  readonly b = new GraphBuilder();
  readonly next = random(7);

  #bytes(dtype: ByteType, shape: readonly number[]) {
    const count = shape.reduce((a, b) => a * b, 1);
    const low = dtype === 's8' ? -128 : 0;
    return this.b.constant(
      tensor(dtype, typed(dtype, count, () => low + Math.floor(this.next() * 256)) as Uint8Array, shape),
    );
  }

  /** 1x1, by our kernel where a machine has it. */
  conv(x: Bytes, filters: number): Bytes {
    const w = this.#bytes('s8', [filters, Number(x.type.shape[1]), 1, 1]);
    const multiplier = this.b.constant(tensor('f32', new Float32Array(filters).fill(0.002)));
    const geometry = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 };
    const end = { to: x.type.dtype, zeroPoint: 3, low: -1000, high: 1000 } as const;
    return this.b.emit(dnnlConv, { x, w, multiplier }, { ...geometry, ...end }) as Bytes;
  }
  lut = (x: Bytes): Bytes => this.b.emit(qnnLut, { x, table: this.#bytes(x.type.dtype, [256]) }) as Bytes;
  channels = (x: Bytes, from: number, to: number): Bytes =>
    this.b.emit(nnSlice, { x }, { starts: [from], ends: [to], axes: [1], steps: [1] });
  /** The channels as `groups` rows, read by columns. */
  shuffle(x: Bytes, groups: number): Bytes {
    const [batch, channels, ...more] = x.type.shape.map(Number);
    const parts = [batch, groups, channels / groups, ...more];
    const split = this.b.emit(nnReshape, { x }, { shape: parts });
    const perm = parts.map((_, axis) => (axis === 1 ? 2 : axis === 2 ? 1 : axis));
    const turned = this.b.emit(nnTranspose, { x: split }, { perm });
    return this.b.emit(nnReshape, { x: turned }, { shape: [batch, channels, ...more] });
  }
  concat = (xs: readonly Bytes[]): Bytes => this.b.emit(nnConcat, { xs }, { axis: 1 });
}

/** Runs a graph of one input as one segment, and compares it with the interpreter; the names of its kernels. */
export function kernelsOf(graph: Graph): readonly string[] {
  const nodes = topologicalOrder(graph).order;
  const plan = onednn(machine, loadAddon).plan({ graph, nodes, inputs: graph.inputs, outputs: graph.outputs });
  const [input] = graph.inputs;
  const { dtype, shape } = graph.values[input].type;
  const count = (shape as number[]).reduce((a, b) => a * b, 1);
  const next = random(3);
  const bytes = typed(dtype as ByteType, count, () => Math.floor(next() * 256)) as Uint8Array;
  const x = { ...tensor(dtype as ByteType, bytes, shape as number[]) };
  const session = plan.open();
  const results = session.runSync([x]);
  session.dispose();
  const expected = evaluateGraph(graph, { [input]: x });
  graph.outputs.forEach((id, i) => {
    expect(results[i].data).toEqual(expected[id].data);
  });
  return plan.spec.commands.map((command) => (command.kind === 'kernel' ? command.kernel.name : command.kind));
}
