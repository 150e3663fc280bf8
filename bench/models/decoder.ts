/** The products of decoder layers of a small language model with weights of 4 bits in blocks, without its attention: Llama's layers of 1 to 2 billion weights. */
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { GraphBuilder, nnAdd, nnMul, nnSigmoid, qnnBlockMatmul, type Value } from '../../src/ir/index.ts';
import { bytesOfCodes } from '../../src/numerics/index.ts';
import { sizeOf, tensor } from '../../src/tensors/index.ts';
import { Random } from './random.ts';

export interface DecoderOptions {
  readonly layers: number;
  readonly block: number;
  readonly hasZeros: boolean;
  /** `s8`: accuracy_level 4. */
  readonly activations: 'f32' | 's8';
  /** Numbers of a row; other sizes are 1/4 of it for keys and values, and 4 times as much in the feed-forward part. */
  readonly width: number;
}

const BITS = 4;

/** An ONNX file: x f32[rows, width] to y of the same type, and the weights in its products. */
export function decoder({ layers, block, hasZeros, activations, width }: DecoderOptions): Uint8Array {
  const random = new Random(block);
  const b = new GraphBuilder();
  const bytes = (shape: readonly number[]) => {
    const words = Uint32Array.from({ length: Math.ceil(sizeOf(shape) / 4) }, () => random.bits());
    return tensor('u8', new Uint8Array(words.buffer, 0, sizeOf(shape)), shape);
  };
  const product = (a: Value<'f32'>, depth: number, columns: number): Value<'f32'> => {
    const blocks = Math.ceil(depth / block);
    const scale = Float32Array.from({ length: columns * blocks }, () => random.uniform(0.1, 0.3) / Math.sqrt(depth));
    return b.emit(
      qnnBlockMatmul,
      {
        a,
        b: b.constant(bytes([columns, blocks, bytesOfCodes(block, BITS)])),
        scale: b.constant(tensor('f32', scale, [columns, blocks])),
        ...(hasZeros && { zp: b.constant(bytes([columns, bytesOfCodes(blocks, BITS)])) }),
      },
      { bits: BITS, block, activations },
    );
  };
  let x: Value<'f32'> = b.input('x', 'f32', ['rows', width]);
  for (let layer = 0; layer < layers; layer++) {
    const mixed = [width, width / 4, width / 4].map((columns) => product(x, width, columns));
    // what attention makes of them is left out
    const [q] = mixed;
    x = b.emit(nnAdd, { a: x, b: product(q!, width, width) });
    for (const other of mixed.slice(1)) x = b.emit(nnAdd, { a: x, b: product(other, width / 4, width) });
    const [gate, up] = [product(x, width, 4 * width), product(x, width, 4 * width)];
    const gated = b.emit(nnMul, { a: b.emit(nnMul, { a: gate, b: b.emit(nnSigmoid, { x: gate }) }), b: up });
    x = b.emit(nnAdd, { a: x, b: product(gated, 4 * width, width) });
  }
  return exportOnnx(b.finish([x]));
}
