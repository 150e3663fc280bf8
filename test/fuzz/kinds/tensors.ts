/** Tensors as `unskew run --input` takes them: .npy files, and TensorProtos. */
import onnxProto from 'onnx-proto';
import { compareOutputs } from '../../../src/cli/compare.ts';
import { feedsFor, readTensors } from '../../../src/cli/inputs.ts';
import { readNpy, writeNpy } from '../../../src/cli/npy.ts';
import { allDTypes, bytesOf, dtypes, GraphBuilder, type ITensor, interpret, sizeOf } from '../../../src/ir/index.ts';
import { nnIdentity } from '../../../src/ir/ops/nn_movement.op.ts';
import { filled } from '../../../src/testing/contents.ts';
import { readTensorProto } from '../../support/onnx.ts';
import { damaged } from '../bytes.ts';
import { changedNumber, type Draw, once, pick } from '../draw.ts';
import type { Examination } from '../examination.ts';
import { terminalOf } from '../examine_model.ts';
import { corpusFiles } from '../own_seeds.ts';
import { defineKind, type Seed } from './kind.ts';

const { onnx } = onnxProto;
const MOST_BYTES = 20_000;
const shapes = [[], [3], [2, 3], [1, 3, 4, 4], [0, 2], [5, 1, 1]];
const samples: readonly ITensor[] = allDTypes.flatMap((dtype, i) =>
  shapes.map((shape, k) => filled(dtype, shape, { pattern: 'random', seed: 10 * i + k }) as ITensor),
);
const seedOf = (write: (tensor: ITensor) => Uint8Array): Seed[] =>
  samples.map((tensor) => ({ name: `${tensor.dtype}[${tensor.shape}]`, read: () => write(tensor) }));

/** Reads the file as the command line does, twice over, and computes with it. `second` is another reader, or undefined. */
async function examineTensor(
  bytes: Uint8Array,
  examination: Examination,
  second: (tensor: ITensor) => ITensor | undefined,
): Promise<void> {
  const read = await examination.refusing('import', () => readTensors(['x=-'], ['x'], terminalOf(bytes)));
  if (read === undefined) return;
  examination.reached('imported');
  const { x } = read;
  const { dtype, shape, data } = x;
  if (
    dtypes[dtype] === undefined ||
    data.length !== sizeOf(shape) ||
    !shape.every((n) => Number.isSafeInteger(n) && n >= 0)
  )
    return examination.found('invalid', 'import', `${dtype}[${shape}] has ${data.length} elements`);
  await examination.refusing('read again', () => {
    const other = second(x);
    const [difference] = other ? compareOutputs({ x }, { x: other }) : [];
    if (difference) examination.found('differs', 'read again', JSON.stringify(difference));
  });
  await examination.refusing('interpret', () => {
    const b = new GraphBuilder();
    const graph = b.finish([
      b.emit(nnIdentity, {
        x: b.input(
          'x',
          dtype,
          shape.map((_, i) => `d${i}`),
        ),
      }),
    ]);
    const [result] = Object.values(interpret(graph, feedsFor(graph, read, undefined)));
    const [difference] = compareOutputs({ x }, { x: result });
    if (difference) examination.found('differs', 'interpret', JSON.stringify(difference));
    examination.executed(graph);
  });
}

// ---- .npy

interface Npy {
  readonly magic: string;
  readonly version: readonly [number, number];
  readonly header: string;
  /** Said in the place of the right one. */
  readonly length?: number;
  readonly data: Uint8Array;
}

export const npyKind = defineKind<Npy>({
  name: 'npy',
  seeds: async (own) => [...seedOf(writeNpy), ...corpusFiles(/\.npy$/, MOST_BYTES, own)],
  open(bytes) {
    const end = 10 + Buffer.from(bytes).readUInt16LE(8);
    return {
      magic: Buffer.from(bytes.subarray(0, 6)).toString('latin1'),
      version: [bytes[6], bytes[7]],
      header: Buffer.from(bytes.subarray(10, end)).toString('latin1'),
      data: bytes.slice(end),
    };
  },
  change: changeNpy,
  write({ magic, version, header, length, data }) {
    const size = Buffer.alloc(version[0] === 1 ? 2 : 4);
    if (version[0] === 1) size.writeUInt16LE((length ?? header.length) & 0xffff);
    else size.writeUInt32LE((length ?? header.length) >>> 0);
    return Buffer.concat([
      Buffer.from(magic, 'latin1'),
      Buffer.from(version),
      size,
      Buffer.from(header, 'latin1'),
      data,
    ]);
  },
  *smaller(npy) {
    yield { ...npy, data: npy.data.slice(0, npy.data.length / 2) };
    yield { ...npy, header: npy.header.trim() };
  },
  examine: (bytes, examination) =>
    examineTensor(bytes, examination, (tensor) => readNpy(writeNpy(tensor), 'again.npy')),
});

const descriptors = [
  '<f4',
  '|u1',
  '>f4',
  '<f2',
  '<i8',
  '<u8',
  '|b1',
  '|O',
  '<c8',
  '<U3',
  '=i4',
  '|i1',
  '<f16',
  '',
  'f4',
  '|V2',
];

function changeNpy(npy: Npy, draw: Draw): Npy {
  const header = (change: (text: string) => string): Npy => ({ ...npy, header: change(npy.header) });
  switch (draw(12)) {
    case 0:
      return { ...npy, version: [draw(6), draw(2)] };
    case 1:
      return { ...npy, length: changedNumber(draw, npy.header.length, false) };
    case 2:
      return { ...npy, data: damaged(npy.data, draw) };
    case 3:
      return { ...npy, data: npy.data.slice(0, draw(npy.data.length + 1)) };
    case 4:
      return { ...npy, magic: pick(draw, ['\x93NUMPY', '\x93NUMPX', 'PK\x03\x04..', '']) };
    case 5:
      return header((text) => text.replace('False', pick(draw, ['True', 'false', '0', 'None'])));
    case 6:
    case 7:
      return header((text) => text.replace(/'descr': '[^']*'/, `'descr': '${pick(draw, descriptors)}'`));
    case 8:
      return header((text) => Buffer.from(damaged(Buffer.from(text, 'latin1'), draw)).toString('latin1'));
    default:
      return header((text) =>
        text.replace(/\(([^)]*)\)/, (_, dims: string) => {
          const sizes = (dims.match(/-?[\d.e+]+/g) ?? []).map(Number);
          const at = draw(sizes.length + 1);
          if (once(draw, 3)) sizes.splice(at, 0, 1);
          else if (at < sizes.length) sizes[at] = changedNumber(draw, sizes[at], false);
          return `(${sizes.map((size) => `${size},`).join('')})`;
        }),
      );
  }
}

// ---- TensorProto

type Proto = onnxProto.onnx.ITensorProto;

const writeProto = ({ dtype, shape, data }: ITensor): Uint8Array =>
  onnx.TensorProto.encode({
    name: 't',
    dims: [...shape],
    dataType: dtypes[dtype].onnxCode,
    rawData: bytesOf(data),
  }).finish();

/** Elements in the field of their type. */
function writeTyped({ dtype, shape, data }: ITensor): Uint8Array {
  const values = Array.from(data as ArrayLike<number | bigint>, Number);
  const field =
    dtype === 'f32'
      ? { floatData: values }
      : dtype === 'f64'
        ? { doubleData: values }
        : dtype === 's64'
          ? { int64Data: values }
          : dtype === 'u64' || dtype === 'u32'
            ? { uint64Data: values }
            : { int32Data: values };
  return onnx.TensorProto.encode({ name: 't', dims: [...shape], dataType: dtypes[dtype].onnxCode, ...field }).finish();
}

export const pbKind = defineKind<Proto>({
  name: 'pb',
  seeds: async (own) => [...seedOf(writeProto), ...seedOf(writeTyped), ...corpusFiles(/put_\d+\.pb$/, MOST_BYTES, own)],
  open: (bytes) => onnx.TensorProto.toObject(onnx.TensorProto.decode(bytes), { arrays: true }) as Proto,
  change: changeProto,
  write: (proto) => onnx.TensorProto.encode(proto).finish(),
  *smaller(proto) {
    for (const key of Object.keys(proto) as (keyof Proto)[]) {
      const { [key]: _, ...rest } = proto;
      yield rest;
    }
  },
  examine: (bytes, examination) => examineTensor(bytes, examination, () => truths(readTensorProto(bytes).tensor)),
});

/** onnx-proto does not define other numbers where 0 or 1 is meant. */
const truths = (tensor: ITensor | undefined): ITensor | undefined =>
  tensor?.dtype === 'bool' ? { ...tensor, data: (tensor.data as Uint8Array).map((v) => Math.min(v, 1)) } : tensor;

function changeProto(proto: Proto, draw: Draw): Proto {
  const dims = [...(proto.dims ?? [])].map(Number);
  switch (draw(10)) {
    case 0:
    case 1:
      return { ...proto, dataType: once(draw, 3) ? draw(30) : pick(draw, Object.values(dtypes)).onnxCode };
    case 2: {
      const at = draw(dims.length + 1);
      return { ...proto, dims: once(draw, 2) ? dims.toSpliced(at, 1) : dims.toSpliced(at, 0, 1) };
    }
    case 3:
    case 4:
      return { ...proto, dims: dims.map((dim) => (once(draw, dims.length) ? changedNumber(draw, dim, false) : dim)) };
    case 5:
      return { ...proto, rawData: damaged(proto.rawData ?? new Uint8Array(0), draw) };
    case 6: {
      const list = pick(draw, ['floatData', 'int32Data', 'int64Data', 'doubleData', 'uint64Data'] as const);
      const numbers = ((proto[list] ?? []) as number[]).map(Number);
      numbers.splice(draw(numbers.length + 1), draw(2), changedNumber(draw, 1, /float|double/.test(list)));
      return { ...proto, [list]: numbers };
    }
    case 7:
      return {
        ...proto,
        dataLocation: draw(3),
        externalData: [{ key: 'location', value: pick(draw, ['w', '../w', '/etc/hostname']) }],
      };
    case 8:
      return { ...proto, segment: { begin: draw(3), end: changedNumber(draw, 3, false) } };
    default:
      return { ...proto, stringData: [Buffer.from('a')], name: pick(draw, ['', 'x', '\u0000']) };
  }
}
