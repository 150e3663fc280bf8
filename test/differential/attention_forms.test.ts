/**
 * Attention with a cache, rotations, and the attention of the standard, beside ONNX Runtime, whose sums are in another order and whose
 * softmax is an approximation: outputs agree within some units in the last place of the largest number.
 */
import { describe, it } from 'vitest';
import { type ITensor, tensor } from '../../src/ir/index.ts';
import { expectLikeOnnxRuntime, type Form, floats, integers } from './one_operator.ts';

const [batch, heads, shared, size] = [2, 4, 2, 16];
const f32 = 'f32' as const;
const close = (name: string, form: Form, within = 1e-5) =>
  it(name, async () => {
    await expectLikeOnnxRuntime(form, within);
  });
const s32 = (values: readonly number[], shape: readonly number[] = [values.length]) => tensor('s32', values, shape);

describe('RotaryEmbedding', () => {
  const tables = [floats([20, 8]), floats([20, 8])];
  const shapes = { 'by heads': [batch, heads, 6, size], flat: [batch, 6, heads * size] };
  for (const [name, shape] of Object.entries(shapes))
    for (const interleaved of [0, 1])
      for (const isOpen of [false, true]) {
        const open = (places?: number): Form['open'] => {
          const sizes = { 0: shape.length === 4 ? ['N', heads, 'S', size] : ['N', 'S', heads * size] };
          if (!isOpen) return {};
          return places === undefined ? sizes : { ...sizes, [places]: ['N', 'S'] };
        };
        for (const places of [integers('s64', [batch, 6], 20), tensor('s64', [3], [1])])
          close(`of com.microsoft, ${name}, interleaved ${interleaved}, positions [${places.shape}], open ${isOpen}`, {
            op: 'RotaryEmbedding',
            attrs: { interleaved },
            operands: [floats(shape), places, ...tables],
            open: open(places.shape.length === 2 ? 1 : undefined),
            computed: 2,
            outputs: [f32],
          });
        close(`of the standard, ${name}, interleaved ${interleaved}, open ${isOpen}`, {
          op: 'RotaryEmbedding',
          domain: '',
          opset: 23,
          attrs: { interleaved, ...(shape.length === 3 && { num_heads: heads }) },
          operands: [floats(shape), ...tables, integers('s64', [batch, 6], 20)],
          open: open(3),
          computed: 4,
          outputs: [f32],
        });
      }
  const few = [floats([20, 4]), floats([20, 4])];
  close('of a part of each head, com.microsoft', {
    op: 'RotaryEmbedding',
    attrs: { rotary_embedding_dim: 8, num_heads: heads },
    operands: [floats(shapes.flat), integers('s64', [batch, 6], 20), ...few],
    computed: 2,
    outputs: [f32],
  });
  close('of a part of each head, the standard', {
    op: 'RotaryEmbedding',
    domain: '',
    opset: 23,
    attrs: { rotary_embedding_dim: 8, num_heads: heads },
    operands: [floats(shapes.flat), ...few, integers('s64', [batch, 6], 20)],
    computed: 4,
    outputs: [f32],
  });
  close('angles of each position', {
    op: 'RotaryEmbedding',
    domain: '',
    opset: 23,
    attrs: {},
    operands: [floats(shapes['by heads']), floats([batch, 6, 8]), floats([batch, 6, 8])],
    computed: 3,
    outputs: [f32],
  });
});

describe('Attention of the standard', () => {
  const [s, t] = [5, 7];
  const q = [batch, heads, s, size];
  const attention = (attrs: Form['attrs'], operands: Form['operands'], outputs: Form['outputs'] = [f32]): Form => ({
    op: 'Attention',
    domain: '',
    opset: 23,
    attrs,
    operands,
    computed: operands.length,
    outputs,
  });
  const grouped = [floats(q), floats([batch, shared, t, size]), floats([batch, shared, t, 8])];
  const whole = [floats(q), floats([batch, heads, t, size]), floats([batch, heads, t, 8])];
  close('as many heads', attention({}, whole));
  close('its own scale', attention({ scale: { f: 0.3 } }, whole));
  close('heads that share', attention({}, grouped));
  close('heads side by side', {
    ...attention({ q_num_heads: heads, kv_num_heads: shared, is_causal: 1 }, [
      floats([batch, s, heads * size]),
      floats([batch, s, shared * size]),
      floats([batch, s, shared * 8]),
    ]),
    open: { 0: ['N', 'S', heads * size], 1: ['N', 'S', shared * size], 2: ['N', 'S', shared * 8] },
  });
  close('a bounded score', attention({ softcap: { f: 0.5 } }, grouped));
  const masks: Record<string, ITensor> = {
    'floats of two axes': floats([s, t]),
    'floats of four': floats([batch, heads, s, t]),
    'truth values': tensor(
      'bool',
      Array.from({ length: s * t }, (_, i) => Number(i % 3 < 2)),
      [s, t],
    ),
    'truth values of four axes': tensor(
      'bool',
      Array.from({ length: batch * s * t }, (_, i) => Number(i % 5 < 3)),
      [batch, 1, s, t],
    ),
  };
  for (const [name, mask] of Object.entries(masks)) close(`a mask of ${name}`, attention({}, [...grouped, mask]));
  const past = [floats([batch, shared, 3, size]), floats([batch, shared, 3, 8])];
  close(
    'a cache',
    attention(
      { is_causal: 1 },
      [...grouped.with(1, floats([batch, shared, s, size])).with(2, floats([batch, shared, s, 8])), undefined, ...past],
      [f32, f32, f32],
    ),
  );
});

describe('GroupQueryAttention', () => {
  interface Options {
    readonly count?: number;
    readonly before?: number;
    readonly lengths?: readonly number[];
    readonly attrs?: Form['attrs'];
    readonly rest?: Form['operands'];
    readonly isPacked?: boolean;
    readonly isOpen?: boolean;
    /** True for a cache of no positions, which is not an absent one. */
    readonly isEmpty?: boolean;
  }
  const form = ({ count = 1, before = 5, lengths, attrs, rest = [], isPacked, isOpen, isEmpty }: Options): Form => {
    const total = before + count;
    const given = lengths ?? Array(batch).fill(total);
    const n = given.length;
    const flat = (columns: number) => floats([n, count, columns * size]);
    const past = () => (before > 0 || isEmpty ? floats([n, shared, before, size]) : undefined);
    const cache = ['N', shared, 'P', size];
    return {
      op: 'GroupQueryAttention',
      attrs: { num_heads: heads, kv_num_heads: shared, ...attrs },
      operands: [
        ...(isPacked ? [flat(heads + 2 * shared), undefined, undefined] : [flat(heads), flat(shared), flat(shared)]),
        past(),
        past(),
        s32(given.map((length) => length - 1)),
        s32([total], []),
        ...rest,
      ],
      ...(isOpen && {
        open: {
          0: ['N', 1, heads * size],
          1: ['N', 1, shared * size],
          2: ['N', 1, shared * size],
          3: cache,
          4: cache,
          5: ['N'],
        },
      }),
      computed: 6,
      outputs: [f32, f32, f32],
    };
  };
  const tables = [floats([40, 8]), floats([40, 8])];
  const rotary = { do_rotary: 1 };
  close('a step', form({}));
  close('a step, open sizes', form({ isOpen: true }));
  close('a step, lengths that differ', form({ lengths: [6, 4] }));
  close('a step of one', form({ lengths: [6] }));
  close('query, key and value in one tensor', form({ isPacked: true, attrs: rotary, rest: tables }));
  close('rotated', form({ lengths: [6, 5], attrs: rotary, rest: tables }));
  close('rotated, neighbours', form({ attrs: { do_rotary: 1, rotary_interleaved: 1 }, rest: tables }));
  close('rotated by given positions', form({ attrs: rotary, rest: [...tables, integers('s64', [batch, 1], 30)] }));
  close(
    'a prompt, rotated from the first of given positions',
    form({ count: 3, before: 0, attrs: rotary, rest: [...tables, integers('s64', [batch, 3], 30)] }),
  );
  close(
    'prompts of one position, rotated from the first of given positions',
    form({ before: 0, attrs: rotary, rest: [...tables, integers('s64', [batch, 1], 30)] }),
  );
  close(
    'several positions behind others, rotated by given positions',
    form({ count: 3, lengths: [8], attrs: rotary, rest: [...tables, integers('s64', [1, 3], 30)] }),
  );
  for (const [count, before] of [
    [3, 0],
    [1, 5],
  ]) {
    const given = form({ count, before, attrs: rotary, rest: [...tables, integers('s64', [batch, count], 30)] });
    const cache = () => floats([batch, shared, before || 2, size]);
    close(`${count} positions behind ${before}, rotated by given positions, open sizes`, {
      ...given,
      operands: given.operands.with(3, cache()).with(4, cache()),
      open: {
        0: ['N', 'S', heads * size],
        1: ['N', 'S', shared * size],
        2: ['N', 'S', shared * size],
        3: ['N', shared, 'P', size],
        4: ['N', shared, 'P', size],
        5: ['N'],
      },
    });
  }
  close('a window', form({ before: 9, lengths: [10, 8], attrs: { local_window_size: 3 } }));
  close('a bounded score', form({ attrs: { softcap: { f: 0.5 } } }));
  close('its own scale', form({ attrs: { scale: { f: 0.1 } } }));
  close('a softmax with one more', form({ attrs: { smooth_softmax: 1 } }));
  close('a sink for each head', form({ rest: [undefined, undefined, undefined, undefined, floats([heads])] }));
  close('an addend', form({ rest: [undefined, undefined, undefined, floats([batch, 1, 1, 6])] }));
  close('several positions at once', form({ count: 3, lengths: [8], attrs: rotary, rest: tables }));
  close('a cache that begins empty', form({ count: 4, before: 0, attrs: rotary, rest: tables, isEmpty: true }));
  close('a prompt', form({ count: 7, before: 0, attrs: rotary, rest: tables }));
  close('a prompt in a window', form({ count: 7, before: 0, attrs: { local_window_size: 3 } }));
});

for (const empty of [0, 1, 2])
  close(`a concatenation whose operand ${empty} is empty`, {
    op: 'Concat',
    domain: '',
    attrs: { axis: 1 },
    operands: [0, 1, 2].map((i) => floats([2, i === empty ? 0 : 3 + i, 4])),
    computed: 3,
    outputs: [f32],
  });
