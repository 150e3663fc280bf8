/**
 * quantized_decomposed and torchao in TorchScript: what `torch.jit.trace` writes of a model that was quantized for torch.export.
 * Each operator is declared once, for programs (export/ops).
 */
import { Unsupported as NotUnderstood } from '../../kit/unsupported.ts';
import type { Arguments } from '../operators/arguments.ts';
import { isJournal, type TorchContext } from '../operators/context.ts';
import type { Parameter, TorchOp } from '../operators/define_torch_op.ts';
import { scalarTypeOfCode } from '../pickle/index.ts';
import { ExportContext, type Surroundings } from '../program/context.ts';
import type { ExportOp, Parameter as ExportParameter } from '../program/define_export_op.ts';
import { affineOps } from '../program/ops/affine.ts';
import { decomposedOps } from '../program/ops/decomposed.ts';
import { perTokenOps } from '../program/ops/per_token.ts';
import { exportCodeOf } from '../program/scalar_type.ts';
import type { Argument } from '../program/schema.ts';
import { isTensor, numberOf, SymInt, type TorchValue } from '../values.ts';

const ofParameter = ({ name, type, isList, isOptional, default: fallback }: ExportParameter): Parameter => ({
  name,
  type: type === 'Operand' ? 'any' : type === 'ScalarType' ? 'int' : type,
  isList,
  mayHoldNone: false,
  isOptional,
  ...(fallback !== undefined && {
    default: typeof fallback === 'object' && fallback !== null ? [...fallback] : fallback,
  }),
});

/** An argument as a program writes it; tensors are named after their parameters. */
function argumentOf(ctx: TorchContext, { name, type }: ExportParameter, value: TorchValue): Argument {
  if (value === null) return { kind: 'none' };
  if (type === 'Tensor' || (type === 'Operand' && isTensor(value)))
    return { kind: 'tensor', names: [name], isList: false };
  if (type === 'ScalarType') {
    const found = scalarTypeOfCode(Number(numberOf(value)));
    const code = found && exportCodeOf(found);
    return code === undefined ? ctx.unsupported(`the element type ${found?.name ?? value}`) : { kind: 'dtype', code };
  }
  if (type === 'str') return { kind: 'string', value: String(value) };
  const isList = Array.isArray(value);
  const numbers = (isList ? value : [value]).map((item) =>
    item instanceof SymInt ? ctx.unsupported(`'${name}' depends on the size of an input`) : numberOf(item),
  );
  if (!numbers.every((number) => number !== undefined)) return ctx.unsupported(`'${name}' of this kind`);
  if (type === 'bool') return { kind: 'bool', values: numbers.map(Boolean), isList };
  return { kind: numbers.every(Number.isInteger) ? 'int' : 'float', values: numbers, isList };
}

function imported(ctx: TorchContext, op: ExportOp, args: Arguments): TorchValue {
  const { sink } = ctx;
  if (!isJournal(sink)) return ctx.unsupported('an operator of a program inside of one');
  const around: Surroundings = {
    tensor: (name) => ctx.graph(args.tensor(name)).value,
    integer: (name) => ctx.unsupported(`the size ${name}`),
    readersOf: () => [],
  };
  const inputs = op.parameters.map((parameter) => ({
    name: parameter.name,
    argument: argumentOf(ctx, parameter, args.value(parameter.name)),
  }));
  try {
    const node = { target: op.target, inputs, outputs: [] };
    const result = op.import(new ExportContext(sink, op, node, ctx.place, around));
    if ('id' in result) return ctx.result(result);
    return result.map((value) => (value ? ctx.result(value) : null));
  } catch (error) {
    if (error instanceof NotUnderstood) return ctx.unsupported(error.message);
    throw error;
  }
}

/** Of shapes that are not known yet: only these keep that of their first operand. */
const KEEPS_SHAPE = /^(de)?quantize_per_(tensor|channel|token)$/;

export const quantizationLibraryOps: readonly TorchOp[] = [...decomposedOps, ...perTokenOps, ...affineOps].map((op) => {
  const [library, name] = op.target.split('.');
  return {
    name: `${library}::${name}`,
    parameters: op.parameters.map(ofParameter),
    keepsShape: KEEPS_SHAPE.test(name),
    import: (ctx: TorchContext, args: Arguments) => imported(ctx, op, args),
  };
});
