/** A node of a program as a call of an operator from the table of PyTorch's operators. */
import type { Dim, Loc, Value } from '../../../ir/index.ts';
import type { Scope } from '../../kit/scope.ts';
import { findTorchOps } from '../op_table.ts';
import { Arguments } from '../operators/arguments.ts';
import { TorchContext, typeOf } from '../operators/context.ts';
import type { TorchOp } from '../operators/define_torch_op.ts';
import { type Bound, bind, isBound, type Misfit } from '../operators/schema.ts';
import { GraphTensor, integerOf, isTensor, isUnderstood, type TorchValue } from '../values.ts';
import { nameOfScalarType, scalarTypeOf } from './scalar_type.ts';
import type { Argument, ExportNode } from './schema.ts';

/** The rest of the program, as the importer of a node can see it. */
export interface Surroundings {
  /** The value of this name; refuses an undefined one. */
  tensor(name: string, loc: Loc): Value;
  /** The size that an integer of the program stands for. */
  integer(name: string, loc: Loc): Dim;
  /** The targets of all nodes that read a value; `output` for an output of the program. */
  readersOf(name: string): readonly string[];
}

/** The results of a node, in the order of its outputs; undefined for a result that cannot be computed. */
export interface Computed {
  readonly ctx: TorchContext;
  readonly results: readonly (Value | undefined)[];
}

/** `aten.conv2d.padding` is `aten::conv2d.padding`. @throws Unsupported for an unknown operator */
export function compute(scope: Scope, node: ExportNode, loc: Loc, around: Surroundings): Computed {
  const ctx = new TorchContext(scope, {
    loc,
    readersOf(output) {
      const argument = node.outputs[output];
      const name = argument?.kind === 'tensor' ? argument.names[0] : undefined;
      return name === undefined ? undefined : around.readersOf(name);
    },
  });
  const { op, args } = called(ctx, node, around);
  const result = op.import(ctx, args);
  const results = (Array.isArray(result) ? result : [result]).map((item) =>
    isUnderstood(item) ? ctx.graph(item).value : undefined,
  );
  return { ctx, results };
}

interface Called {
  readonly op: TorchOp;
  readonly args: Arguments;
}

/** The overload of this name, or else the first one that the arguments fit. */
function called(ctx: TorchContext, node: ExportNode, around: Surroundings): Called {
  const [, library, name, overload] = /^(\w+)\.(\w+)\.(\w+)$/.exec(node.target) ?? [];
  const all = findTorchOps(`${library}::${name}`);
  if (all.length === 0) return ctx.unsupported('the operator is not known');
  const named = all.filter((op) => op.overload === overload);
  const values = new Map(node.inputs.map((input) => [input.name, argumentOf(ctx, input.name, input.argument, around)]));
  const floats = new Set(node.inputs.flatMap((input) => (input.argument.kind === 'float' ? [input.name] : [])));
  const misfits: Misfit[] = [];
  for (const op of named.length > 0 ? named : all) {
    const answer = bound(op, node, values);
    if (isBound(answer)) return { op, args: new Arguments(answer, floats) };
    misfits.push(answer);
  }
  const [{ input, why, isUnknown }] = misfits;
  if (named.length === 1 && !isUnknown) return ctx.refuse(why, 'U2004', { input });
  return ctx.unsupported(named.length === 1 ? why : 'the operator is not known for these arguments');
}

/**
 * Binds the arguments. An operator in place may name its first tensor otherwise than the operator it is derived from.
 */
function bound(op: TorchOp, { inputs: [first] }: ExportNode, values: Bound): Bound | Misfit {
  const self = first && values.get(first.name);
  if (self === undefined || !isTensor(self) || op.parameters.some(({ name }) => name === first.name))
    return bind(op, [], values);
  return bind(op, [self], new Map([...values].filter(([name]) => name !== first.name)));
}

function argumentOf(ctx: TorchContext, name: string, argument: Argument, around: Surroundings): TorchValue {
  if (argument.kind === 'dtype' && scalarTypeOf(argument.code) === undefined)
    return ctx.unsupported(`the element type ${nameOfScalarType(argument.code)}`);
  return torchValueOf(argument, ctx.at(name), around);
}

/** The value of an argument. Element types that unskew only knows by name have no code. */
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

/** @throws Unsupported where a node computes nothing */
export const first = ({ ctx, results: [result] }: Computed): readonly [TorchContext, Value] => [
  ctx,
  result ?? ctx.unsupported('it computes nothing'),
];
