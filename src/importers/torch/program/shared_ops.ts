/** Operators of ATen that are declared once for TorchScript and mean the same here. */
import type { Value } from '../../../ir/define_op.ts';
import type { Loc } from '../../../ir/types.ts';
import { Unsupported } from '../../kit/unsupported.ts';
import { Arguments } from '../operators/arguments.ts';
import { TorchContext, type TorchEmitter, type TorchSink, typeOf } from '../operators/context.ts';
import { bind, Unsupported as NotUnderstood } from '../operators/define_torch_op.ts';
import { findTorchOps } from '../operators/op_table.ts';
import { GraphTensor, integerOf, isTensor, isUnderstood, type TorchValue } from '../values.ts';
import type { ExportContext, Surroundings } from './context.ts';
import type { ExportOp } from './define_export_op.ts';
import { scalarTypeOf } from './scalar_type.ts';
import type { Argument, ExportNode } from './schema.ts';

/** `aten.roll.default` is `aten::roll`: overloads are told apart by their arguments. Undefined for what is not declared there. */
export function sharedOp(node: ExportNode, loc: Loc, around: Surroundings): ExportOp | undefined {
  const name = /^aten\.(\w+)\./.exec(node.target)?.[1];
  const overloads = name === undefined ? [] : findTorchOps(`aten::${name}`);
  if (overloads.length === 0) return undefined;
  const parameters = node.inputs.map(({ name: given }) => ({
    name: given,
    type: 'any' as const,
    isList: false,
    isOptional: true,
    default: null,
  }));
  return {
    target: node.target,
    parameters,
    import(ctx) {
      const args = new Map(
        node.inputs.map(({ name: given, argument }) => [given, torchValueOf(argument, loc, around)]),
      );
      // some overloads call their first tensor otherwise
      const [first] = node.inputs;
      const self = first && args.get(first.name);
      const positional = self !== undefined && isTensor(self) ? [self] : [];
      if (positional.length > 0) args.delete(first.name);
      for (const op of overloads) {
        const bound = bind(op, positional, args);
        if (bound) return resultsOf(ctx, (torch) => op.import(torch, new Arguments(bound)), loc);
      }
      return ctx.unsupported('the operator is not known for these arguments');
    },
  };
}

function resultsOf(
  ctx: ExportContext,
  run: (torch: TorchContext) => TorchValue,
  loc: Loc,
): readonly (Value | undefined)[] {
  const torch = new TorchContext(sinkOf(ctx), {
    profile: 'torch-qnnpack',
    name: ctx.node.target,
    loc,
    where: loc,
    constants: new Map(),
  });
  try {
    const result = run(torch);
    const flat = Array.isArray(result) ? result : [result];
    return flat.map((item) => (isUnderstood(item) ? torch.graph(item).value : undefined));
  } catch (error) {
    if (error instanceof NotUnderstood) throw new Unsupported(error.message);
    throw error;
  }
}

/** What is emitted goes through the context, which folds constants. */
function sinkOf(ctx: ExportContext): TorchSink {
  const emitter: TorchEmitter = {
    loc: {},
    fresh: (hint) => hint,
    constant: (value) => ctx.constant(value),
    lazy: (_type, load) => ctx.constant(load()),
    emitList: ctx.emitList.bind(ctx),
  };
  return { emitter, constant: (id) => ctx.constantOf({ id }) };
}

export function torchValueOf(argument: Argument, loc: Loc, around: Surroundings): TorchValue {
  const list = <T>(values: readonly T[], isList: boolean, of: (value: T) => TorchValue): TorchValue =>
    isList ? values.map(of) : of(values[0]);
  switch (argument.kind) {
    case 'none':
      return null;
    case 'tensor':
      return list(argument.names, argument.isList, (name) =>
        name === undefined ? null : tensorOf(around.tensor(name, loc)),
      );
    case 'int':
      return list(argument.values, argument.isList, (v) =>
        typeof v === 'number' ? v : integerOf(around.integer(v, loc)),
      );
    case 'float':
      return list(argument.values, argument.isList, (v) => v);
    case 'bool':
      return list(argument.values, argument.isList, (v) => v);
    case 'string':
      return argument.value;
    case 'dtype':
      return scalarTypeOf(argument.code)?.code ?? -1;
    case 'other':
      return argument.field;
  }
}

const tensorOf = (value: Value): GraphTensor => new GraphTensor(value, typeOf(value.type.dtype));
