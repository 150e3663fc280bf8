/** Movements behind a dequantize and in front of a quantize. */
import * as fc from 'fast-check';
import {
  type DType,
  type Graph,
  GraphBuilder,
  nnAdd,
  nnClip,
  nnMul,
  nnRelu,
  ofType,
  qnnDequantize,
  qnnQuantize,
  type Shape,
  type Value,
} from '../../ir/index.ts';
import { filled } from '../contents.ts';
import { contents, scale } from './basic.ts';
import { emitMove, type Movement, type MoveSpec, movableShape, movements, moveSpec } from './movements.ts';
import { emitDequantize, emitQuantize, mostly, type Quantization, quantization, shape4 } from './quantization.ts';

interface MovedSpec {
  readonly shape: Shape;
  readonly move: MoveSpec;
  readonly x: Quantization;
  readonly other: Quantization;
  readonly form: 'equal' | 'different';
  readonly pad: 'absent' | 'multiple' | 'other' | 'input';
  readonly y: Quantization;
}

const movedSpec = (kinds: readonly Movement[]): fc.Arbitrary<MovedSpec> =>
  fc.record({
    shape: movableShape,
    move: moveSpec(kinds),
    x: quantization(mostly(false, 12)),
    other: quantization(),
    form: fc.constantFrom('equal', 'equal', 'equal', 'different'),
    pad: fc.constantFrom('absent', 'multiple', 'multiple', 'other', 'input'),
    y: quantization(mostly(false, 12)),
  });

function padValue(b: GraphBuilder, { pad, x }: MovedSpec): Value<DType> | undefined {
  if (pad === 'absent') return undefined;
  if (pad === 'input') return b.input('pad_value', 'f32', []);
  return b.scalar('f32', pad === 'multiple' ? 3 * x.scale : 0.3);
}

/** move(dequantize(x), …) */
export const movedDequantize = (kinds: readonly Movement[] = movements): fc.Arbitrary<Graph> =>
  movedSpec(kinds).map((spec) => {
    const b = new GraphBuilder();
    const x = emitDequantize(b, b.input('x', spec.x.dtype, spec.shape), spec.x);
    const q = spec.form === 'equal' ? { ...spec.x } : spec.other;
    const more = spec.move.kind === 'nnConcat' ? [emitDequantize(b, b.input('x2', q.dtype, spec.shape), q)] : [];
    const y = emitMove(b, x, spec.move, more, padValue(b, spec));
    return b.finish(spec.x.shared ? [y, x] : [y]);
  });

/** quantize(clip(move(x, …))) of floats. */
export const movedQuantize = (kinds: readonly Movement[] = movements): fc.Arbitrary<Graph> =>
  fc.tuple(movedSpec(kinds), fc.constantFrom('none', 'none', 'relu', 'clip')).map(([spec, clamp]) => {
    const b = new GraphBuilder();
    const x = b.input('x', 'f32', spec.shape);
    const more = spec.move.kind === 'nnConcat' ? [b.input('x2', 'f32', spec.shape)] : [];
    const moved = ofType(emitMove(b, x, spec.move, more, padValue(b, spec)), 'f32');
    const relu = clamp === 'relu' ? b.emit(nnRelu, { x: moved }) : moved;
    const v = clamp === 'clip' ? b.emit(nnClip, { x: relu }, { min: -spec.y.scale, max: 9 * spec.y.scale }) : relu;
    return b.finish(spec.y.shared ? [emitQuantize(b, v, spec.y), v] : [emitQuantize(b, v, spec.y)]);
  });

/** move(dequantize(constant)), one scale for each channel of some axis. */
export const movedWeights = (kinds: readonly Movement[]): fc.Arbitrary<Graph> =>
  fc
    .record({
      shape: movableShape,
      move: moveSpec(kinds),
      w: quantization(mostly(true)),
      axis: fc.integer({ min: 0, max: 3 }),
      contents,
    })
    .map(({ shape, move, w: q, axis, contents: data }) => {
      const b = new GraphBuilder();
      const dims = shape.map((d) => (typeof d === 'number' ? d : 1));
      const w = b.constant(filled(q.dtype, dims, data), 'w');
      return b.finish([
        b.emit(nnMul, {
          a: ofType(emitMove(b, emitDequantize(b, w, q, axis), move), 'f32'),
          b: b.input('x', 'f32', []),
        }),
      ]);
    });

/** dequantize of a constant or of an input, read by another operator. */
export const dequantized: fc.Arbitrary<Graph> = fc
  .record({
    shape: shape4,
    x: quantization(fc.boolean()),
    constant: mostly(true),
    axis: fc.integer({ min: 0, max: 3 }),
    contents,
    output: mostly(false),
  })
  .map(({ shape: { n, c, h, w }, x: q, constant, axis, contents: data, output }) => {
    const b = new GraphBuilder();
    const shape = [n, c, h, w];
    const x = constant ? b.constant(filled(q.dtype, shape, data), 'c') : b.input('x', q.dtype, shape);
    const v = emitDequantize(b, x, q, axis);
    const y = b.emit(nnAdd, { a: v, b: b.input('s', 'f32', []) });
    return b.finish(output ? [y, v] : [y]);
  });

/** quantize(move(dequantize(q))) of 16 bits, mostly with the parameters of before. */
export const quantizedAgain: fc.Arbitrary<Graph> = fc
  .record({
    dtype: fc.constantFrom('u16' as const, 's16' as const),
    shape: movableShape,
    moves: fc.array(moveSpec(['nnReshape', 'nnTranspose', 'nnDepthToSpace']), { maxLength: 2 }),
    scale: fc.oneof(scale, fc.constantFrom(0.3, 2 ** -127, 1e-30, 1e30)),
    zero: fc.option(fc.integer({ min: 0, max: 300 })),
    isOther: mostly(false, 12),
    isShared: mostly(false, 12),
  })
  .map(({ dtype, shape, moves, scale: s, zero, isOther, isShared }) => {
    const b = new GraphBuilder();
    const parameters = (factor: number) => ({
      scale: b.scalar('f32', Math.fround(s * factor)),
      ...(zero !== null && { zp: b.scalar(dtype, zero) }),
    });
    const x = b.emit(qnnDequantize, { x: b.input('x', dtype, shape), ...parameters(1) });
    const moved = moves.reduce<Value>((v, move) => emitMove(b, v, move), x);
    const y = b.emit(qnnQuantize, { x: ofType(moved, 'f32'), ...parameters(isOther ? 2 : 1) }, { dtype });
    return b.finish(isShared ? [y, moved] : [y]);
  });
